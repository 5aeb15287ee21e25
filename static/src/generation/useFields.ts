/** The form's fields, each window's own. */
import type { Ref } from 'vue'

import type { Panels } from '../extensions/pluginParts'
import { useWindowState } from '../useWindowState'

/** How img2img's size is given: in pixels, or as a factor of the source picture's. */
export type Sizing = 'to' | 'by'
export type Override = string | number | boolean

export interface Fields {
  prompt: string
  negative: string
  styles: string[]
  checkpoint: string | null // file name of the chosen one; null: as the service chooses
  vae: string | null // null: as the service's options say
  clipSkip: number | null
  sampler: string
  schedule: string
  steps: number
  width: number | null // pixels; null: as the checkpoint likes it
  height: number | null
  guidance: number
  seed: number // -1: a new one each time
  variation: { on: boolean; seed: number; strength: number; width: number; height: number }
  batches: number
  batchSize: number
  tiling: boolean
  faces: string | null // the restorer; '': none; null: as the service's options say
  refiner: { on: boolean; checkpoint: string; switchAt: number }
  hires: {
    on: boolean
    upscaler: string
    steps: number // 0: as many as the first pass
    strength: number
    bySize: boolean
    scale: number
    width: number // pixels; 0: as the other side asks
    height: number
    checkpoint: string | null // title; null: as the first pass
    sampler: string | null
    schedule: string | null
    prompt: string
    negative: string
  }
  script: { name: string; given: Record<string, unknown[]> } // arguments by script
  panels: Panels // of plugins: the fields of their forms
  overrides: Record<string, Override> // options for the next pictures, from a pasted infotext
  strength: number
  resizeMode: number
  sizing: Sizing
  scale: number
  inpaint: {
    blur: number
    invert: boolean
    content: number // 0 fill, 1 original, 2 latent noise, 3 latent nothing
    onlyMasked: boolean
    padding: number
    transparency: number // of a sketch that is inpainted, in hundredths
  }
  soft: { on: boolean; numbers: number[] } // in the order of SOFT
}

/** Soft inpainting's arguments, in the API's order. */
export const SOFT = [
  { name: 'bias', value: 1, max: 8, step: 0.1, min: 0 },
  { name: 'preservation', value: 0.5, max: 8, step: 0.05, min: 0 },
  { name: 'contrast', value: 4, max: 32, step: 0.5, min: 1 },
  { name: 'influence', value: 0, max: 1, step: 0.05, min: 0 },
  { name: 'threshold', value: 0.5, max: 8, step: 0.25, min: 0 },
  { name: 'differenceContrast', value: 2, max: 8, step: 0.25, min: 0 },
] as const

/** Defaults of AUTOMATIC1111's page (contract section 1.14b), which differ from its API's. */
export const DEFAULTS: Fields = {
  prompt: '',
  negative: '',
  styles: [],
  checkpoint: null,
  vae: null,
  clipSkip: null,
  sampler: 'DPM++ 2M',
  schedule: 'Automatic',
  steps: 20,
  width: null,
  height: null,
  guidance: 7,
  seed: -1,
  variation: { on: false, seed: -1, strength: 0, width: 0, height: 0 },
  batches: 1,
  batchSize: 1,
  tiling: false,
  faces: null,
  refiner: { on: false, checkpoint: '', switchAt: 0.8 },
  hires: {
    on: false,
    upscaler: 'Latent',
    steps: 0,
    strength: 0.7,
    bySize: false,
    scale: 2,
    width: 0,
    height: 0,
    checkpoint: null,
    sampler: null,
    schedule: null,
    prompt: '',
    negative: '',
  },
  script: { name: '', given: {} },
  panels: {},
  overrides: {},
  strength: 0.75,
  resizeMode: 0,
  sizing: 'to',
  scale: 1,
  inpaint: { blur: 4, invert: false, content: 1, onlyMasked: false, padding: 32, transparency: 0 },
  soft: { on: false, numbers: SOFT.map(({ value }) => value) },
}

/** A deep copy of the defaults. */
export function createDefaults(): Fields {
  return structuredClone(DEFAULTS)
}

export type GenerationKind = 'txt2img' | 'img2img'

export function useFields(kind: GenerationKind): Ref<Fields> {
  return useWindowState<Fields>(`easel.${kind}`, createDefaults(), fillMissing)
}

/** Merge stored fields with defaults for fields that were added since. */
export function fillMissing(stored: Partial<Fields>, defaults: Fields): Fields {
  const all: Record<string, unknown> = { ...defaults, ...stored }
  for (const [key, value] of Object.entries(defaults)) {
    if (isRecord(value)) all[key] = { ...value, ...(isRecord(all[key]) ? all[key] : {}) }
  }
  return all as unknown as Fields
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Locale keys by request field, to name the fields in error messages. */
export const LABEL_KEYS: Record<string, string> = {
  prompt: 'field.prompt',
  negative_prompt: 'field.negative',
  styles: 'prompt.styles',
  sd_model_checkpoint: 'field.checkpoint',
  sd_vae: 'field.vae',
  CLIP_stop_at_last_layers: 'field.clipSkip',
  face_restoration_model: 'field.faces',
  sampler_name: 'field.sampler',
  scheduler: 'field.schedule',
  steps: 'field.steps',
  width: 'field.width',
  height: 'field.height',
  cfg_scale: 'field.guidance',
  seed: 'field.seed',
  subseed: 'seed.variation',
  subseed_strength: 'seed.strength',
  seed_resize_from_w: 'seed.width',
  seed_resize_from_h: 'seed.height',
  n_iter: 'field.batches',
  batch_size: 'field.batch_size',
  denoising_strength: 'field.strength',
  enable_hr: 'hires.title',
  hr_scale: 'hires.scale',
  hr_upscaler: 'hires.upscaler',
  hr_second_pass_steps: 'hires.steps',
  hr_resize_x: 'field.width',
  hr_resize_y: 'field.height',
  hr_checkpoint_name: 'field.checkpoint',
  hr_sampler_name: 'field.sampler',
  hr_scheduler: 'field.schedule',
  hr_prompt: 'field.prompt',
  hr_negative_prompt: 'field.negative',
  refiner_checkpoint: 'refiner.title',
  refiner_switch_at: 'refiner.switchAt',
  script_name: 'script.title',
  script_args: 'script.title',
  'alwayson_scripts.controlnet': 'control.title',
  controlnet: 'control.title',
  init_images: 'source.title',
  mask: 'inpaint.mask',
  mask_blur: 'inpaint.blur',
  inpaint_full_res_padding: 'inpaint.padding',
  inpainting_fill: 'inpaint.content',
  resize_mode: 'resize.title',
  upscaling_resize: 'extras.scale',
  upscaling_resize_w: 'field.width',
  upscaling_resize_h: 'field.height',
  upscaler_1: 'extras.upscaler',
  upscaler_2: 'extras.second',
  extras_upscaler_2_visibility: 'extras.visibility',
  gfpgan_visibility: 'extras.gfpgan',
  codeformer_visibility: 'extras.codeformer',
  codeformer_weight: 'extras.weight',
  image: 'extras.sources',
}
