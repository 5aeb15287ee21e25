/** Routes of the API that the page uses, and the types of their requests and answers. */
import { get, post, put, remove } from './client'

export interface Session {
  user: string | null
  version: string
  edition: string
  filebrowser: boolean
  default_size: number // pixels a side that the default checkpoint draws best
  default_sizes?: Record<string, number> // the same by title, for checkpoints that say so
  checkpoint: string | null // title of the one used when none is chosen
  login?: boolean // whether logging in is a thing here
  scope?: string // what the user may do: owner, user, generate, read or metrics
  accounts?: boolean // whether users have accounts here
  hidden_tabs?: string[] // sections not to show, by any of their names
  provider?: boolean // whether one may log in with an OpenID Connect provider
}

export interface Checkpoint {
  title: string
  model_name: string
  filename: string
  hash: string | null
}

/** What a checkpoint is; null where its header does not tell. */
export interface CheckpointKind {
  title: string
  filename: string
  architecture: string | null
  weight_format: string | null
  can_draw: boolean
}

export interface NamedItem {
  name: string
}

export interface Scheduler {
  name: string
  label: string
}

export interface Vae {
  model_name: string
}

export interface Style {
  name: string
  prompt: string
  negative_prompt: string
}

/** One control of a script, as AUTOMATIC1111's page would show it. */
export interface ScriptArgument {
  label: string | null
  value: unknown
  minimum: number | null
  maximum: number | null
  step: number | null
  choices: string[] | null
}

export interface ScriptInfo {
  name: string
  is_alwayson: boolean
  is_img2img: boolean
  args: ScriptArgument[]
}

export type Options = Record<string, unknown>

/** Fields of both txt2img and img2img; the service has defaults for those left out. */
export interface GenerationRequest {
  prompt: string
  negative_prompt: string
  styles: string[]
  sampler_name: string
  scheduler: string
  steps: number
  width: number
  height: number
  cfg_scale: number
  seed: number
  subseed?: number
  subseed_strength?: number
  seed_resize_from_w?: number
  seed_resize_from_h?: number
  n_iter: number
  batch_size: number
  tiling?: boolean
  restore_faces?: boolean
  refiner_checkpoint?: string
  refiner_switch_at?: number
  denoising_strength?: number
  script_name?: string
  script_args?: unknown[]
  alwayson_scripts?: Record<string, Record<string, unknown>>
  send_images: boolean
  save_images: boolean
  force_task_id: string
  override_settings: Options
}

export interface Txt2Img extends GenerationRequest {
  enable_hr?: boolean
  hr_scale?: number
  hr_upscaler?: string
  hr_second_pass_steps?: number
  hr_resize_x?: number
  hr_resize_y?: number
  hr_checkpoint_name?: string
  hr_sampler_name?: string
  hr_scheduler?: string
  hr_prompt?: string
  hr_negative_prompt?: string
}

export interface Img2Img extends GenerationRequest {
  init_images: string[] // data URIs
  resize_mode: number
  mask?: string
  mask_blur?: number
  inpainting_fill?: number
  inpaint_full_res?: boolean
  inpaint_full_res_padding?: number
  inpainting_mask_invert?: number
}

export interface GenerationResponse {
  images: string[] // base64, no data: prefix
  info: string // JSON of GenerationInfo
}

export interface GenerationInfo {
  infotexts: string[]
  all_seeds: number[]
  index_of_first_image: number
  comments?: string[]
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

export interface PictureInfo {
  info: string
  items: Record<string, unknown>
  parameters: Parameters
}

/** An infotext's parameters, parsed by the service (contract section 6.4). */
export type Parameters = Record<string, unknown>

export interface Extras {
  resize_mode: 0 | 1
  upscaling_resize: number
  upscaling_resize_w: number
  upscaling_resize_h: number
  upscaling_crop: boolean
  upscaler_1: string
  upscaler_2: string
  extras_upscaler_2_visibility: number
  gfpgan_visibility: number
  codeformer_visibility: number
  codeformer_weight: number
}

/** A preprocessor's slider: Resolution, then threshold A and B. */
export interface ControlSlider {
  name: string
  value: number
  min: number
  max: number
  step: number
}

export interface ControlModules {
  module_list: string[]
  module_detail: Record<string, { model_free: boolean; sliders: ControlSlider[] }>
}

export interface ControlType {
  module_list: string[]
  model_list: string[]
  default_option: string
  default_model: string
}

export interface Detection {
  controlnet_module: string
  controlnet_input_images: string[]
  controlnet_processor_res: number
  controlnet_threshold_a: number
  controlnet_threshold_b: number
}

const internal = 'internal'
const sdapi = 'sdapi/v1'

export const session = () => get<Session>('api/session')
export const checkpoints = () => get<Checkpoint[]>(`${sdapi}/sd-models`)
export const checkpointKinds = () => get<CheckpointKind[]>(`${internal}/checkpoint-kinds`)
export const samplers = () => get<NamedItem[]>(`${sdapi}/samplers`)
export const schedulers = () => get<Scheduler[]>(`${sdapi}/schedulers`)
export const vaes = () => get<Vae[]>(`${sdapi}/sd-vae`)
export const upscalers = () => get<NamedItem[]>(`${sdapi}/upscalers`)
export const faceRestorers = () => get<NamedItem[]>(`${sdapi}/face-restorers`)
export const latentModes = () => get<NamedItem[]>(`${sdapi}/latent-upscale-modes`)
export const styles = () => get<Style[]>(`${sdapi}/prompt-styles`)
export const putStyle = (style: Style, previous: string) =>
  put<Style[]>('api/styles', { ...style, previous: previous || null })
export const dropStyle = (name: string) => remove<Style[]>(`api/styles?name=${encodeURIComponent(name)}`)
export const scripts = () => get<ScriptInfo[]>(`${sdapi}/script-info`)
export const options = () => get<Options>(`${sdapi}/options`)
/** What draws: a job of the job API stands for one of these routes. */
export const TXT2IMG = `/${sdapi}/txt2img`
export const IMG2IMG = `/${sdapi}/img2img`
/** Both name the task, since other windows of the same user have tasks of their own. */
export const interrupt = (task: string) =>
  post<unknown>(`${sdapi}/interrupt?id_task=${encodeURIComponent(task)}`)
export const skip = (task: string) => post<unknown>(`${sdapi}/skip?id_task=${encodeURIComponent(task)}`)
export const login = (credential: Record<string, string>) => post<unknown>('login', credential, true)
export const logout = () => post<unknown>('logout')

export const pictureInfo = (image: string) => post<PictureInfo>(`${sdapi}/png-info`, { image })
export const enlarge = (image: string, how: Extras) =>
  post<{ image: string; html_info: string }>(`${sdapi}/extra-single-image`, { image, ...how })

export const controlModules = () => get<ControlModules>('controlnet/module_list?alias_names=true')
export const controlTypes = () =>
  get<{ control_types: Record<string, ControlType> }>('controlnet/control_types')
export const controlSettings = () => get<{ control_net_unit_count: number }>('controlnet/settings')
export const detect = (detection: Detection) =>
  post<{ images: string[]; info: string }>('controlnet/detect', detection)

export const readInfotext = (infotext: string) =>
  post<{ parameters: Parameters }>(`${internal}/infotext`, { infotext })
export const tokenCount = (words: { prompt: string; negative: boolean; steps: number; styles: string[] }) =>
  post<{ text: string }>(`${internal}/token-count`, words, true)
export const progress = (task: string, seen: number) =>
  post<TaskProgress>(`${internal}/progress`, {
    id_task: task,
    id_live_preview: seen,
    live_preview: true,
  })
/** The answer to a task whose job is not known, since the page was reloaded before it was told. */
export const answer = (task: string) => post<GenerationResponse>(`${internal}/answer`, { id_task: task })
