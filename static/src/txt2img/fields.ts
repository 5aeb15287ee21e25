/** What the reader fills in, remembered from visit to visit. */
import { useStorage } from '@vueuse/core'
import type { Ref } from 'vue'

import type { Txt2Img } from '../api/sdapi'
import type { Infotext } from '../infotext'

export interface Fields {
  prompt: string
  negative: string
  checkpoint: string | null // file name of the chosen one; null: as the service chooses
  sampler: string
  schedule: string
  steps: number
  width: number | null // pixels; null: as the checkpoint likes it
  height: number | null
  guidance: number
  seed: number // -1: a new one each time
  batches: number
  batchSize: number
}

export const DEFAULTS: Fields = {
  prompt: '',
  negative: '',
  checkpoint: null,
  sampler: 'DPM++ 2M',
  schedule: 'Automatic',
  steps: 20,
  width: null,
  height: null,
  guidance: 7,
  seed: -1,
  batches: 1,
  batchSize: 1,
}

/** Names of the request's fields, for errors that the service reports by them. */
export const REQUEST_FIELD = {
  prompt: 'prompt',
  negative: 'negative_prompt',
  checkpoint: 'sd_model_checkpoint',
  sampler: 'sampler_name',
  schedule: 'scheduler',
  steps: 'steps',
  width: 'width',
  height: 'height',
  guidance: 'cfg_scale',
  seed: 'seed',
  batches: 'n_iter',
  batch_size: 'batch_size',
} as const

export function useFields(): Ref<Fields> {
  return useStorage<Fields>('easel.txt2img', { ...DEFAULTS }, localStorage, { mergeDefaults: true })
}

/** The request of these fields. `side` is the checkpoint's preferred size, `title` its name. */
export function requestOf(fields: Fields, side: number, title: string | null, task: string): Txt2Img {
  return {
    prompt: fields.prompt,
    negative_prompt: fields.negative,
    sampler_name: fields.sampler,
    scheduler: fields.schedule,
    steps: fields.steps,
    width: fields.width ?? side,
    height: fields.height ?? side,
    cfg_scale: fields.guidance,
    seed: fields.seed,
    n_iter: fields.batches,
    batch_size: fields.batchSize,
    send_images: true,
    save_images: true,
    force_task_id: task,
    override_settings: title === null ? {} : { sd_model_checkpoint: title },
  }
}

/** The fields changed to what an infotext tells; what it does not tell stays. */
export function withInfotext(fields: Fields, { prompt, negative, parameters }: Infotext): Fields {
  const number = (key: string, otherwise: number) => {
    const value = Number(parameters[key])
    return parameters[key] === undefined || Number.isNaN(value) ? otherwise : value
  }
  const size = /^(\d+)x(\d+)$/.exec(parameters['Size'] ?? '')
  return {
    ...fields,
    prompt,
    negative,
    sampler: parameters['Sampler'] ?? fields.sampler,
    schedule: parameters['Schedule type'] ?? fields.schedule,
    steps: number('Steps', fields.steps),
    guidance: number('CFG scale', fields.guidance),
    seed: number('Seed', fields.seed),
    width: size ? Number(size[1]) : fields.width,
    height: size ? Number(size[2]) : fields.height,
  }
}
