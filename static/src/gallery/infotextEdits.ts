/** Settings of another picture that begin with those of one: changes to its infotext. */
import { parseInfotext } from '../generation/infotext'

const PLAIN = /^[^,:"\n]*$/

/** The infotext with these parameters changed or added; null takes one away. */
export function withParameters(infotext: string, changes: Record<string, string | null>): string {
  const { prompt, negative, parameters } = parseInfotext(infotext)
  const all = Object.entries({ ...parameters, ...changes }).filter(([, value]) => value !== null)
  const line = all.map(([key, value]) => `${key}: ${quoted(value!)}`).join(', ')
  return [prompt, ...(negative ? [`Negative prompt: ${negative}`] : []), line].join('\n')
}

function quoted(value: string): string {
  return PLAIN.test(value) ? value : JSON.stringify(value)
}

/** Others that are near this picture: a variation seed that is new each time. */
export function variationsOf(infotext: string): string {
  return withParameters(infotext, { 'Variation seed': '-1', 'Variation seed strength': '0.15' })
}

/** The same picture, drawn larger in a second pass. */
export function hiresOf(infotext: string): string {
  const { parameters } = parseInfotext(infotext)
  if ('Hires upscale' in parameters || 'Hires resize' in parameters) return infotext
  return withParameters(infotext, {
    'Denoising strength': '0.5',
    'Hires upscale': '2',
    'Hires upscaler': 'Latent',
  })
}
