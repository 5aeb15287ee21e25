/** Which fields differ from their defaults, and how many in each fold. */
import { newUnit, type ControlUnit } from './controlUnits'
import { DEFAULTS, SOFT as SOFT_NUMBERS, type Fields, type GenerationKind } from './useFields'

/** A field: its element's id (`KIND`: the section's), where its value lies, and its fold. */
type Place = readonly [id: string, path: string, fold?: string]

const HIRES = 'txt2img_hr'
const REFINER = 'KIND_refiner'
const MORE = 'KIND_advanced'
const SCRIPT = 'KIND_script_container'
const SOFT = 'soft_inpainting'
const CONTROL = 'KIND_controlnet'

const PLACES: readonly Place[] = [
  ['KIND_steps', 'steps'],
  ['KIND_cfg_scale', 'guidance'],
  ['sampler', 'sampler'],
  ['schedule', 'schedule'],
  ['KIND_seed', 'seed'],
  ['KIND_width', 'width'],
  ['KIND_width', 'height'], // one label for both
  ['KIND_batch_count', 'batches'],
  ['KIND_batch_size', 'batchSize'],
  ['img2img_denoising_strength', 'strength'],
  ['setting_sd_vae', 'vae', MORE],
  ['setting_CLIP_stop_at_last_layers', 'clipSkip', MORE],
  ['setting_face_restoration_model', 'faces', MORE],
  ['KIND_tiling', 'tiling', MORE],
  ['KIND_checkpoint_refiner', 'refiner.checkpoint', REFINER],
  ['KIND_switch_at', 'refiner.switchAt', REFINER],
  ['KIND_script', 'script.name', SCRIPT],
  ['txt2img_hr_upscaler', 'hires.upscaler', HIRES],
  ['txt2img_hires_steps', 'hires.steps', HIRES],
  ['txt2img_denoising_strength', 'hires.strength', HIRES],
  ['txt2img_hr_way', 'hires.bySize', HIRES],
  ['txt2img_hr_scale', 'hires.scale', HIRES],
  ['txt2img_hr_resize_x', 'hires.width', HIRES],
  ['txt2img_hr_resize_y', 'hires.height', HIRES],
  ['txt2img_hr_checkpoint', 'hires.checkpoint', HIRES],
  ['txt2img_hr_sampler', 'hires.sampler', HIRES],
  ['txt2img_hr_scheduler', 'hires.schedule', HIRES],
  ['hires_prompt', 'hires.prompt', HIRES],
  ['hires_neg_prompt', 'hires.negative', HIRES],
  ...SOFT_NUMBERS.map(({ name }, at): Place => [`soft_${name}`, `soft.numbers.${at}`, SOFT]),
]

/** What a fold's switch sets. */
const SWITCHES: Record<string, string> = { [HIRES]: 'hires.on', [REFINER]: 'refiner.on', [SOFT]: 'soft.on' }

export interface FormChanges {
  fields: Set<string> // ids of elements
  folds: Record<string, number> // changed fields by the folds' ids
}

/** Compare with the defaults; `sectionOf` a kind, since both have folds and fields of the same sort. */
export function findChanges(kind: GenerationKind, fields: Fields, units: ControlUnit[]): FormChanges {
  const changes: FormChanges = { fields: new Set(), folds: {} }
  for (const [id, path, fold] of PLACES) {
    if (same(read(fields, path), read(DEFAULTS, path))) continue
    changes.fields.add(id.replace('KIND', kind))
    if (!fold) continue
    const name = fold.replace('KIND', kind)
    changes.folds[name] = (changes.folds[name] ?? 0) + 1
  }
  const untouched = newUnit()
  const control = units.filter((unit) => !same(unit, untouched)).length
  if (control > 0) changes.folds[CONTROL.replace('KIND', kind)] = control
  return changes
}

/** Set all fields of a fold, and its switch, to their defaults. */
export function revertFold(
  kind: GenerationKind,
  fold: string,
  fields: Fields,
  units: ControlUnit[],
): { fields: Fields; units: ControlUnit[] } {
  const reverted = JSON.parse(JSON.stringify(fields)) as Fields
  const paths = PLACES.filter(([, , name]) => name?.replace('KIND', kind) === fold).map(([, path]) => path)
  const general = fold.replace(new RegExp(`^${kind}(?=_(refiner|controlnet)$)`), 'KIND')
  const switched = SWITCHES[general]
  for (const path of switched ? [...paths, switched] : paths) write(reverted, path, read(DEFAULTS, path))
  return { fields: reverted, units: general === CONTROL ? units.map(newUnit) : units }
}

function read(fields: Fields, path: string): unknown {
  return path.split('.').reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], fields)
}

function write(fields: Fields, path: string, value: unknown) {
  const keys = path.split('.')
  const last = keys.pop()!
  const parent = keys.length > 0 ? read(fields, keys.join('.')) : fields
  ;(parent as Record<string, unknown>)[last] = value
}

function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}
