/** ControlNet units: form state, and conversion to the API (contract section 10.2). */

export const CONTROL_MODES = [
  'Balanced',
  'My prompt is more important',
  'ControlNet is more important',
] as const
export const RESIZE_MODES = ['Just Resize', 'Crop and Resize', 'Resize and Fill'] as const

export interface ControlUnit {
  on: boolean
  image: string | null // data URI; null: the picture that img2img starts from
  type: string // a tag that narrows both lists
  module: string
  model: string
  weight: number
  resolution: number // pixels; -1: the preprocessor's own
  a: number // thresholds; -1: the preprocessor's own
  b: number
  start: number // share of the steps
  end: number
  pixelPerfect: boolean
  mode: (typeof CONTROL_MODES)[number]
  resize: (typeof RESIZE_MODES)[number]
}

export function newUnit(): ControlUnit {
  return {
    on: false,
    image: null,
    type: 'All',
    module: 'none',
    model: 'None',
    weight: 1,
    resolution: -1,
    a: -1,
    b: -1,
    start: 0,
    end: 1,
    pixelPerfect: false,
    mode: 'Balanced',
    resize: 'Crop and Resize',
  }
}

/** The unit for a picture that is sent here: one that is free, else the first. */
export function unitFor(units: readonly ControlUnit[]): ControlUnit | undefined {
  return units.find(({ on, image }) => !on && image === null) ?? units[0]
}

export function toApiUnit(unit: ControlUnit): Record<string, unknown> {
  return {
    enabled: unit.on,
    ...(unit.image === null ? {} : { image: unit.image }),
    module: unit.module,
    model: unit.model,
    weight: unit.weight,
    resize_mode: unit.resize,
    processor_res: unit.resolution,
    threshold_a: unit.a,
    threshold_b: unit.b,
    guidance_start: unit.start,
    guidance_end: unit.end,
    pixel_perfect: unit.pixelPerfect,
    control_mode: unit.mode,
  }
}
