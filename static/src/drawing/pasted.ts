/** Fills the fields with what an infotext tells (contract sections 6.2 and 6.4). */
import type { Checkpoint, Options, Parameters } from '../api/sdapi'
import { DEFAULTS, SOFT, type Fields, type Override } from './fields'

/** What the service offers, to tell names that are here from others. */
export interface Offer {
  schedules: string[]
  checkpoints: Checkpoint[]
  options: Options
}

const NOTHING: Offer = { schedules: [], checkpoints: [], options: {} }

/** Infotext keys that stand for options without a field of their own (contract section 7.3). */
const OPTION_OF: Record<string, string> = {
  ENSD: 'eta_noise_seed_delta',
  RNG: 'randn_source',
  Emphasis: 'emphasis',
  Eta: 'eta_ancestral',
  'Eta DDIM': 'eta_ddim',
  'Sigma churn': 's_churn',
  'Sigma tmin': 's_tmin',
  'Sigma tmax': 's_tmax',
  'Sigma noise': 's_noise',
  'Schedule min sigma': 'sigma_min',
  'Schedule max sigma': 'sigma_max',
  'Schedule rho': 'rho',
  'Beta scheduler alpha': 'beta_dist_alpha',
  'Beta scheduler beta': 'beta_dist_beta',
  'Beta schedule alpha': 'beta_dist_alpha',
  'Beta schedule beta': 'beta_dist_beta',
  'Discard penultimate sigma': 'always_discard_next_to_last_sigma',
  'SGM noise multiplier': 'sgm_noise_multiplier',
  'Noise Schedule': 'sd_noise_schedule',
  'UniPC variant': 'uni_pc_variant',
  'UniPC skip type': 'uni_pc_skip_type',
  'UniPC order': 'uni_pc_order',
  'UniPC lower order final': 'uni_pc_lower_order_final',
  'Skip Early CFG': 'skip_early_cond',
  NGMS: 's_min_uncond',
  'NGMS all steps': 's_min_uncond_all',
  'Token merging ratio': 'token_merging_ratio',
  'Token merging ratio hr': 'token_merging_ratio_hr',
  'Pad conds': 'pad_cond_uncond',
  'Pad conds v0': 'pad_cond_uncond_v0',
  'Noise multiplier': 'initial_noise_multiplier',
  'Extra noise': 'img2img_extra_noise',
  'Conditional mask weight': 'inpainting_mask_weight',
  'Old prompt editing timelines': 'use_old_scheduling',
  'Downcast alphas_cumprod': 'use_downcasted_alpha_bar',
  'Refiner switch by sampling steps': 'refiner_switch_by_sample_steps',
  'Hires refiner': 'hires_fix_refiner_pass',
  'VAE Encoder': 'sd_vae_encode_method',
  'VAE Decoder': 'sd_vae_decode_method',
}

const CONTENTS = ['fill', 'original', 'latent noise', 'latent nothing']
const SOFT_PREFIX = 'Soft inpainting '
const SOFT_KEYS = [
  'schedule bias',
  'preservation strength',
  'transition contrast boost',
  'mask influence',
  'difference threshold',
  'difference contrast',
]

const SAME = /^Use same / // as the service says for what the second pass takes from the first

/** The fields changed to what an infotext tells; what it does not tell stays, or is off. */
export function withInfotext(fields: Fields, parameters: Parameters, offer = NOTHING): Fields {
  const told = new Told(parameters)
  const clipSkip = told.number('Clip skip') ?? 1
  const { sampler, schedule } = sampling(told, fields, offer.schedules)
  const size = told.size('Size')
  return {
    ...fields,
    prompt: told.text('Prompt') ?? '',
    negative: told.text('Negative prompt') ?? '',
    styles: told.list('Styles array'),
    sampler,
    schedule,
    checkpoint: checkpoint(told, offer.checkpoints) ?? fields.checkpoint,
    vae: told.text('VAE') ?? fields.vae,
    clipSkip: clipSkip === offer.options['CLIP_stop_at_last_layers'] ? null : clipSkip,
    steps: told.number('Steps') ?? fields.steps,
    guidance: told.number('CFG scale') ?? fields.guidance,
    seed: told.number('Seed') ?? fields.seed,
    width: size?.width ?? fields.width,
    height: size?.height ?? fields.height,
    tiling: told.text('Tiling') === 'True',
    strength: told.number('Denoising strength') ?? fields.strength,
    variation: variation(told, fields),
    refiner: refiner(told, fields, offer.checkpoints),
    hires: hires(told, fields, offer.checkpoints),
    inpaint: inpaint(told, fields),
    soft: soft(told, fields),
    overrides: overrides(parameters, offer.options),
  }
}

/** The parameters, read by type. */
class Told {
  constructor(private readonly parameters: Parameters) {}

  text(key: string): string | undefined {
    const value = this.parameters[key]
    return value === undefined || value === null ? undefined : String(value)
  }

  list(key: string): string[] {
    const value = this.parameters[key]
    return Array.isArray(value) ? value.map(String) : []
  }

  number(key: string): number | undefined {
    const text = this.text(key)
    const value = Number(text)
    return text === undefined || text === '' || Number.isNaN(value) ? undefined : value
  }

  /** Two numbers that stood as `512x768`; null where there are none, or two zeros. */
  size(key: string): { width: number; height: number } | null {
    const [width, height] = [this.number(`${key}-1`) ?? 0, this.number(`${key}-2`) ?? 0]
    return width || height ? { width, height } : null
  }
}

/** Old infotexts write the schedule behind the sampler: `DPM++ 2M Karras`. */
function sampling(told: Told, fields: Fields, schedules: string[]) {
  const sampler = told.text('Sampler') ?? fields.sampler
  const schedule = told.text('Schedule type')
  const tail = schedules.find((label) => sampler.endsWith(` ${label}`))
  if ((schedule ?? DEFAULTS.schedule) === DEFAULTS.schedule && tail) return { sampler: sampler.slice(0, -tail.length - 1), schedule: tail }
  const unsaid = told.text('Sampler') === undefined ? fields.schedule : DEFAULTS.schedule
  return { sampler, schedule: schedule ?? unsaid }
}

/** The file of the model that is told: by hash and name, else by one of them; null: not here. */
function checkpoint(told: Told, checkpoints: Checkpoint[]): string | null {
  const [hash, name] = [told.text('Model hash'), told.text('Model')]
  const alike = hash ? checkpoints.filter((file) => file.hash === hash) : []
  const found =
    alike.find(({ model_name }) => model_name === name) ??
    alike[0] ??
    checkpoints.find(({ model_name }) => model_name === name)
  return found?.filename ?? null
}

function title(name: string | undefined, checkpoints: Checkpoint[]): string | null {
  if (!name || SAME.test(name)) return null
  const found = checkpoints.find((file) => file.title === name || file.model_name === name)
  return found?.title ?? name
}

function variation(told: Told, { variation: before }: Fields): Fields['variation'] {
  const size = told.size('Seed resize from')
  const seed = told.number('Variation seed')
  if (seed === undefined && !size) return { ...before, on: false, strength: 0 }
  return {
    on: true,
    seed: seed ?? -1,
    strength: told.number('Variation seed strength') ?? 0,
    width: size?.width ?? 0,
    height: size?.height ?? 0,
  }
}

function refiner(told: Told, { refiner: before }: Fields, checkpoints: Checkpoint[]): Fields['refiner'] {
  const named = title(told.text('Refiner'), checkpoints)
  if (named === null) return { ...before, on: false }
  return { on: true, checkpoint: named, switchAt: told.number('Refiner switch at') ?? before.switchAt }
}

function hires(told: Told, { hires: before }: Fields, checkpoints: Checkpoint[]): Fields['hires'] {
  const scale = told.number('Hires upscale')
  const size = told.size('Hires resize')
  const upscaler = told.text('Hires upscaler')
  if (scale === undefined && !size && upscaler === undefined) return { ...before, on: false }
  return {
    on: true,
    upscaler: upscaler ?? DEFAULTS.hires.upscaler,
    steps: told.number('Hires steps') ?? 0,
    strength: told.number('Denoising strength') ?? before.strength,
    bySize: size !== null,
    scale: scale ?? before.scale,
    width: size?.width ?? 0,
    height: size?.height ?? 0,
    checkpoint: title(told.text('Hires checkpoint'), checkpoints),
    sampler: own(told.text('Hires sampler')),
    schedule: own(told.text('Hires schedule type')),
    prompt: told.text('Hires prompt') ?? '',
    negative: told.text('Hires negative prompt') ?? '',
  }
}

function own(name: string | undefined): string | null {
  return name === undefined || SAME.test(name) ? null : name
}

function inpaint(told: Told, { inpaint: before }: Fields): Fields['inpaint'] {
  const content = CONTENTS.indexOf(told.text('Masked content') ?? '')
  const area = told.text('Inpaint area')
  const mode = told.text('Mask mode')
  return {
    blur: told.number('Mask blur') ?? before.blur,
    invert: mode === undefined ? before.invert : mode === 'Inpaint not masked',
    content: content < 0 ? before.content : content,
    onlyMasked: area === undefined ? before.onlyMasked : area === 'Only masked',
    padding: told.number('Masked area padding') ?? before.padding,
    transparency: before.transparency,
  }
}

function soft(told: Told, { soft: before }: Fields): Fields['soft'] {
  if (told.text(`${SOFT_PREFIX}enabled`) !== 'True') return { ...before, on: false }
  const numbers = SOFT_KEYS.map((key, at) => told.number(SOFT_PREFIX + key) ?? SOFT[at]!.value)
  return { on: true, numbers }
}

/** Options that the infotext sets otherwise than the service has them now. */
function overrides(parameters: Parameters, options: Options): Fields['overrides'] {
  const found: Fields['overrides'] = {}
  for (const [key, told] of Object.entries(parameters)) {
    const option = OPTION_OF[key]
    if (option === undefined || !(option in options)) continue
    const value = typed(String(told), options[option])
    if (value !== options[option]) found[option] = value
  }
  return found
}

/** The text as the type that the option has now. */
function typed(text: string, now: unknown): Override {
  if (typeof now === 'boolean') return text.toLowerCase() === 'true'
  if (typeof now === 'number') return Number(text)
  return text
}
