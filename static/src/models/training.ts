/** Embeddings: making and training them, and what is told of the loss meanwhile. */
import { get, post } from '../api/client'

export interface NewEmbedding {
  name: string
  num_vectors_per_token: number
  init_text: string
  overwrite_old: boolean
}

export interface Training {
  embedding_name: string
  learn_rate: string
  clip_grad_mode: string
  clip_grad_value: string
  batch_size: number
  gradient_step: number
  data_root: string
  log_directory: string
  template_filename: string
  training_width: number
  training_height: number
  steps: number
  save_embedding_every: number
  shuffle_tags: boolean
  tag_drop_out: number
  latent_sampling_method: string
}

interface Embeddings {
  loaded: Record<string, { step: number | null }>
  skipped: Record<string, unknown>
}

export const embeddings = () => get<Embeddings>('sdapi/v1/embeddings')
export const createEmbedding = (embedding: NewEmbedding) =>
  post<{ info: string }>('sdapi/v1/create/embedding', embedding)
export const trainEmbedding = (training: Training, task: string) =>
  post<{ info: string }>('sdapi/v1/train/embedding', { ...training, id_task: task })

export const TEMPLATES = ['subject_filewords.txt', 'subject.txt', 'style_filewords.txt', 'style.txt']
export const MAX_POINTS = 400 // of the curve; then every second one is left out

/** A step and its loss. */
export type LossPoint = readonly [step: number, loss: number]

/** The loss that the service tells in words; null where it tells none. */
export function readLoss(text: string | null): number | null {
  const match = /\bloss (\d+(?:\.\d+)?)/.exec(text ?? '')
  return match ? Number(match[1]) : null
}

/** The curve with one more point, no longer than `most`. */
export function addPoint(curve: readonly LossPoint[], point: LossPoint, most = MAX_POINTS): LossPoint[] {
  if (curve.at(-1)?.[0] === point[0]) return [...curve]
  const longer = [...curve, point]
  return longer.length <= most ? longer : longer.filter((_, at) => at % 2 === 0 || at === longer.length - 1)
}

/** AUTOMATIC1111 answers 200 also where nothing was made, and says so. */
export const createFailure = (info: string): string => /^create embedding error: (.*)$/s.exec(info)?.[1] ?? ''
