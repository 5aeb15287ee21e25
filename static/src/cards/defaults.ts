/** A checkpoint's default settings: proposed when it is chosen, taken from a form. */
import type { Fields } from '../generation/useFields'
import type { Card, CheckpointDefaults } from '../models/api'

export const NO_DEFAULTS: CheckpointDefaults = {
  width: null,
  height: null,
  steps: null,
  cfg_scale: null,
  sampler_name: null,
  scheduler: null,
  clip_skip: null,
}

/** What defaults set in a form. */
export type FormPart = Pick<
  Fields,
  'width' | 'height' | 'steps' | 'guidance' | 'sampler' | 'schedule' | 'clipSkip' | 'vae'
>

/** Names that the service has, and what a field that is left to it stands for. */
export interface Known {
  samplers: readonly string[]
  schedules: readonly string[]
  vaes: readonly string[]
  clipSkip: number
}

/** The fields that a checkpoint's defaults would change. */
export type Proposal = Partial<FormPart>

const FAR = 2 // times as many pixels, or as few: another size than the family was made for

/**
 * What a checkpoint's defaults would change in a form: those of its card, and, where it names no
 * size, the size that its family was made for. Names that the service does not have are left out.
 */
export function proposeDefaults(card: Card, form: FormPart, known: Known): Proposal {
  const { steps, cfg_scale, sampler_name, scheduler, clip_skip } = card.defaults
  const has = (names: readonly string[], name: string | null) => (name && names.includes(name) ? name : null)
  const wanted = {
    steps,
    guidance: cfg_scale,
    sampler: has(known.samplers, sampler_name),
    schedule: has(known.schedules, scheduler),
    clipSkip: clip_skip,
    vae: has(known.vaes, card.notes.vae),
  }
  const now: Record<string, unknown> = { ...form, clipSkip: form.clipSkip ?? known.clipSkip }
  const changes = Object.entries(wanted).filter(([name, value]) => value !== null && value !== now[name])
  return { ...proposeSize(card, form), ...Object.fromEntries(changes) }
}

/** A size is proposed whole, and none where the form leaves it to the checkpoint, which has none. */
function proposeSize({ defaults, side }: Card, form: FormPart): Proposal {
  const [across, down] = [form.width ?? side, form.height ?? side]
  const width = defaults.width ?? defaults.height
  const height = defaults.height ?? defaults.width
  if (width !== null && height !== null) return across === width && down === height ? {} : { width, height }
  if (side === null || across === null || down === null) return {}
  const ratio = (across * down) / side ** 2
  return ratio >= FAR || ratio <= 1 / FAR ? { width: side, height: side } : {}
}

/** The form's fields after the proposal; the checkpoint's own size is left to it. */
export function acceptProposal(proposal: Proposal, side: number): Proposal {
  const { width, height } = proposal
  return width === side && height === side ? { ...proposal, width: null, height: null } : proposal
}

/** The same fields as they are now, to go back to. */
export function pickFields(form: FormPart, proposal: Proposal): Proposal {
  const names = Object.keys(proposal) as (keyof FormPart)[]
  return Object.fromEntries(names.map((name) => [name, form[name]]))
}

/** What a form has, as defaults for a card. */
export function defaultsFrom(form: FormPart, side: number, clipSkip: number): CheckpointDefaults {
  return {
    width: form.width ?? side,
    height: form.height ?? side,
    steps: form.steps,
    cfg_scale: form.guidance,
    sampler_name: form.sampler,
    scheduler: form.schedule,
    clip_skip: form.clipSkip ?? clipSkip,
  }
}
