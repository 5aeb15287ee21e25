/** Reads the text that AUTOMATIC1111 and Easel write into a picture (contract section 6.4). */

export interface Infotext {
  prompt: string
  negative: string
  parameters: Record<string, string>
}

const PARAMETER = /\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)/g
const NEGATIVE = 'Negative prompt:'

export function parseInfotext(text: string): Infotext {
  const lines = text.trim().split('\n')
  const last = [...(lines.at(-1) ?? '').matchAll(PARAMETER)]
  // Fewer than three pairs are taken for a prompt that contains a colon.
  if (last.length >= 3) lines.pop()
  const parameters = last.length >= 3 ? last.map((m) => [m[1]!.trim(), unquote(m[2]!.trim())]) : []
  const start = lines.findIndex((line) => line.startsWith(NEGATIVE))
  const positive = start < 0 ? lines : lines.slice(0, start)
  const negative = start < 0 ? '' : lines.slice(start).join('\n').slice(NEGATIVE.length)
  return {
    prompt: positive.join('\n').trim(),
    negative: negative.trim(),
    parameters: Object.fromEntries(parameters) as Record<string, string>,
  }
}

/** Whether a text is an infotext rather than a prompt. */
export function isInfotext(text: string): boolean {
  return Object.keys(parseInfotext(text).parameters).length >= 3
}

function unquote(value: string): string {
  if (!value.startsWith('"')) return value
  try {
    return String(JSON.parse(value))
  } catch {
    return value
  }
}
