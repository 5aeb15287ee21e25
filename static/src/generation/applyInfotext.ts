/** Fills the fields from infotext parameters (contract sections 6.2 and 6.4). */
import type { Checkpoint, Options, Parameters } from '../api/sdapi'
import { DEFAULTS, SOFT, type Fields, type Override } from './useFields'

/** Names that the service has, to match those of the infotext against. */
export interface AvailableNames {
  schedules: string[]
  checkpoints: Checkpoint[]
  options: Options
}

const NONE_AVAILABLE: AvailableNames = { schedules: [], checkpoints: [], options: {} }

/** Option names by infotext key, for options without a field of their own (contract section 7.3). */
const OPTION_BY_KEY: Record<string, string> = {
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

const MASKED_CONTENTS = ['fill', 'original', 'latent noise', 'latent nothing']
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

/** The fields with an infotext's values. What it does not mention keeps its value, or is switched off. */
export function applyInfotext(fields: Fields, parameters: Parameters, available = NONE_AVAILABLE): Fields {
  const reader = new ParameterReader(parameters)
  const clipSkip = reader.number('Clip skip') ?? 1
  const { sampler, schedule } = readSampler(reader, fields, available.schedules)
  const size = reader.size('Size')
  return {
    ...fields,
    prompt: reader.text('Prompt') ?? '',
    negative: reader.text('Negative prompt') ?? '',
    styles: reader.list('Styles array'),
    sampler,
    schedule,
    checkpoint: findCheckpoint(reader, available.checkpoints) ?? fields.checkpoint,
    vae: reader.text('VAE') ?? fields.vae,
    clipSkip: clipSkip === available.options['CLIP_stop_at_last_layers'] ? null : clipSkip,
    steps: reader.number('Steps') ?? fields.steps,
    guidance: reader.number('CFG scale') ?? fields.guidance,
    seed: reader.number('Seed') ?? fields.seed,
    width: size?.width ?? fields.width,
    height: size?.height ?? fields.height,
    tiling: reader.text('Tiling') === 'True',
    faces: reader.text('Face restoration') ?? (available.options['face_restoration'] ? '' : null),
    strength: reader.number('Denoising strength') ?? fields.strength,
    variation: readVariation(reader, fields),
    refiner: readRefiner(reader, fields, available.checkpoints),
    hires: readHires(reader, fields, available.checkpoints),
    inpaint: readInpaint(reader, fields),
    soft: readSoftInpainting(reader, fields),
    overrides: readOverrides(parameters, available.options),
  }
}

/** Typed access to infotext parameters. */
class ParameterReader {
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

  /** A size that was written as `512x768`; null if absent or 0x0. */
  size(key: string): { width: number; height: number } | null {
    const [width, height] = [this.number(`${key}-1`) ?? 0, this.number(`${key}-2`) ?? 0]
    return width || height ? { width, height } : null
  }
}

/** Old infotexts write the schedule behind the sampler: `DPM++ 2M Karras`. */
function readSampler(reader: ParameterReader, fields: Fields, schedules: string[]) {
  const sampler = reader.text('Sampler') ?? fields.sampler
  const schedule = reader.text('Schedule type')
  const tail = schedules.find((label) => sampler.endsWith(` ${label}`))
  if ((schedule ?? DEFAULTS.schedule) === DEFAULTS.schedule && tail)
    return { sampler: sampler.slice(0, -tail.length - 1), schedule: tail }
  const fallback = reader.text('Sampler') === undefined ? fields.schedule : DEFAULTS.schedule
  return { sampler, schedule: schedule ?? fallback }
}

/** The checkpoint file that matches by hash and name, else by one of them; null if none does. */
function findCheckpoint(reader: ParameterReader, checkpoints: Checkpoint[]): string | null {
  const [hash, name] = [reader.text('Model hash'), reader.text('Model')]
  const sameHash = hash ? checkpoints.filter((file) => file.hash === hash) : []
  const match =
    sameHash.find(({ model_name }) => model_name === name) ??
    sameHash[0] ??
    checkpoints.find(({ model_name }) => model_name === name)
  return match?.filename ?? null
}

function findTitle(name: string | undefined, checkpoints: Checkpoint[]): string | null {
  if (!name || SAME.test(name)) return null
  const match = checkpoints.find((file) => file.title === name || file.model_name === name)
  return match?.title ?? name
}

function readVariation(reader: ParameterReader, { variation: previous }: Fields): Fields['variation'] {
  const size = reader.size('Seed resize from')
  const seed = reader.number('Variation seed')
  if (seed === undefined && !size) return { ...previous, on: false, strength: 0 }
  return {
    on: true,
    seed: seed ?? -1,
    strength: reader.number('Variation seed strength') ?? 0,
    width: size?.width ?? 0,
    height: size?.height ?? 0,
  }
}

function readRefiner(
  reader: ParameterReader,
  { refiner: previous }: Fields,
  checkpoints: Checkpoint[],
): Fields['refiner'] {
  const checkpointTitle = findTitle(reader.text('Refiner'), checkpoints)
  if (checkpointTitle === null) return { ...previous, on: false }
  return {
    on: true,
    checkpoint: checkpointTitle,
    switchAt: reader.number('Refiner switch at') ?? previous.switchAt,
  }
}

function readHires(
  reader: ParameterReader,
  { hires: previous }: Fields,
  checkpoints: Checkpoint[],
): Fields['hires'] {
  const scale = reader.number('Hires upscale')
  const size = reader.size('Hires resize')
  const upscaler = reader.text('Hires upscaler')
  if (scale === undefined && !size && upscaler === undefined) return { ...previous, on: false }
  return {
    on: true,
    upscaler: upscaler ?? DEFAULTS.hires.upscaler,
    steps: reader.number('Hires steps') ?? 0,
    strength: reader.number('Denoising strength') ?? previous.strength,
    bySize: size !== null,
    scale: scale ?? previous.scale,
    width: size?.width ?? 0,
    height: size?.height ?? 0,
    checkpoint: findTitle(reader.text('Hires checkpoint'), checkpoints),
    sampler: omitSame(reader.text('Hires sampler')),
    schedule: omitSame(reader.text('Hires schedule type')),
    prompt: reader.text('Hires prompt') ?? '',
    negative: reader.text('Hires negative prompt') ?? '',
  }
}

function omitSame(name: string | undefined): string | null {
  return name === undefined || SAME.test(name) ? null : name
}

function readInpaint(reader: ParameterReader, { inpaint: previous }: Fields): Fields['inpaint'] {
  const content = MASKED_CONTENTS.indexOf(reader.text('Masked content') ?? '')
  const area = reader.text('Inpaint area')
  const mode = reader.text('Mask mode')
  return {
    blur: reader.number('Mask blur') ?? previous.blur,
    invert: mode === undefined ? previous.invert : mode === 'Inpaint not masked',
    content: content < 0 ? previous.content : content,
    onlyMasked: area === undefined ? previous.onlyMasked : area === 'Only masked',
    padding: reader.number('Masked area padding') ?? previous.padding,
    transparency: previous.transparency,
  }
}

function readSoftInpainting(reader: ParameterReader, { soft: previous }: Fields): Fields['soft'] {
  if (reader.text(`${SOFT_PREFIX}enabled`) !== 'True') return { ...previous, on: false }
  const numbers = SOFT_KEYS.map((key, at) => reader.number(SOFT_PREFIX + key) ?? SOFT[at]!.value)
  return { on: true, numbers }
}

/** Options whose value in the infotext differs from the service's. */
function readOverrides(parameters: Parameters, options: Options): Fields['overrides'] {
  const match: Fields['overrides'] = {}
  for (const [key, reader] of Object.entries(parameters)) {
    const option = OPTION_BY_KEY[key]
    if (option === undefined || !(option in options)) continue
    const value = parseAs(String(reader), options[option])
    if (value !== options[option]) match[option] = value
  }
  return match
}

/** Parse a text as the type of the option's present value. */
function parseAs(text: string, now: unknown): Override {
  if (typeof now === 'boolean') return text.toLowerCase() === 'true'
  if (typeof now === 'number') return Number(text)
  return text
}
