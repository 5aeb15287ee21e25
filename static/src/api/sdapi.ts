/** The routes that the page uses, and the shapes of what they answer. */
import { get, post } from './client'

export interface Session {
  user: string | null
  version: string
  edition: string
  filebrowser: boolean
  default_size: number // pixels a side that the default checkpoint draws best
  default_sizes?: Record<string, number> // the same by title, for checkpoints that say so
  checkpoint: string | null // title of the one used when none is chosen
  login?: boolean // whether logging in is a thing here
}

export interface Checkpoint {
  title: string
  model_name: string
  filename: string
  hash: string | null
}

export interface Sampler {
  name: string
}

export interface Scheduler {
  name: string
  label: string
}

export interface Txt2Img {
  prompt: string
  negative_prompt: string
  sampler_name: string
  scheduler: string
  steps: number
  width: number
  height: number
  cfg_scale: number
  seed: number
  n_iter: number
  batch_size: number
  send_images: boolean
  save_images: boolean
  force_task_id: string
  override_settings: Record<string, unknown>
}

export interface Drawn {
  images: string[] // base64, no data: prefix
  info: string // JSON of DrawnInfo
}

export interface DrawnInfo {
  infotexts: string[]
  all_seeds: number[]
  index_of_first_image: number
}

export interface TaskProgress {
  active: boolean
  queued: boolean
  completed: boolean
  progress: number | null // 0..1
  eta: number | null // seconds
  live_preview: string | null // data URI
  id_live_preview: number
  textinfo: string | null
}

export const session = () => get<Session>('api/session')
export const checkpoints = () => get<Checkpoint[]>('sdapi/v1/sd-models')
export const samplers = () => get<Sampler[]>('sdapi/v1/samplers')
export const schedulers = () => get<Scheduler[]>('sdapi/v1/schedulers')
export const draw = (request: Txt2Img) => post<Drawn>('sdapi/v1/txt2img', request)
export const interrupt = () => post<unknown>('sdapi/v1/interrupt')
export const login = (credential: Record<string, string>) => post<unknown>('login', credential)
export const logout = () => post<unknown>('logout')

export const progress = (task: string, seen: number) =>
  post<TaskProgress>('internal/progress', { id_task: task, id_live_preview: seen, live_preview: true })
