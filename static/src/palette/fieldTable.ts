/** Fields by their elements: the label's key in `locales/`, AUTOMATIC1111's words, and their fold. */

export interface FieldEntry {
  id: string // `KIND` stands for txt2img or img2img
  label: string
  words: string // separated by " · "
  fold?: string // the fold's id
  only?: 'txt2img' | 'img2img'
}

const HIRES = 'txt2img_hr'
const REFINER = 'KIND_refiner'
const MORE = 'KIND_advanced'

export const FIELD_TABLE: readonly FieldEntry[] = [
  { id: 'prompt', label: 'prompt.label', words: 'Prompt' },
  { id: 'negative', label: 'prompt.negative', words: 'Negative prompt' },
  { id: 'styles', label: 'prompt.styles', words: 'Styles' },
  { id: 'checkpoint', label: 'field.checkpoint', words: 'Stable Diffusion checkpoint · model' },
  { id: 'KIND_width', label: 'field.width', words: 'Width · size · resolution' },
  { id: 'KIND_height', label: 'field.height', words: 'Height · size · resolution' },
  { id: 'KIND_steps', label: 'field.steps', words: 'Sampling steps' },
  { id: 'KIND_cfg_scale', label: 'field.guidance', words: 'CFG Scale · guidance' },
  { id: 'sampler', label: 'field.sampler', words: 'Sampling method · sampler' },
  { id: 'schedule', label: 'field.schedule', words: 'Schedule type · scheduler' },
  { id: 'KIND_seed', label: 'field.seed', words: 'Seed' },
  { id: 'KIND_subseed_show', label: 'seed.variation', words: 'Extra · Variation seed · Variation strength' },
  { id: 'KIND_batch_count', label: 'field.batches', words: 'Batch count' },
  { id: 'KIND_batch_size', label: 'field.batch_size', words: 'Batch size' },
  { id: 'setting_sd_vae', label: 'field.vae', words: 'SD VAE', fold: MORE },
  { id: 'setting_CLIP_stop_at_last_layers', label: 'field.clipSkip', words: 'Clip skip', fold: MORE },
  {
    id: 'setting_face_restoration_model',
    label: 'field.faces',
    words: 'Restore faces · GFPGAN · CodeFormer',
    fold: MORE,
  },
  { id: 'KIND_tiling', label: 'field.tiling', words: 'Tiling', fold: MORE },
  { id: 'KIND_checkpoint_refiner', label: 'refiner.title', words: 'Refiner', fold: REFINER },
  { id: 'KIND_switch_at', label: 'refiner.switchAt', words: 'Switch at · refiner', fold: REFINER },
  { id: 'KIND_controlnet', label: 'control.title', words: 'ControlNet · control', fold: 'KIND_controlnet' },
  { id: 'KIND_script', label: 'script.title', words: 'Script · X/Y/Z plot', fold: 'KIND_script_container' },
  {
    id: 'txt2img_hr_upscaler',
    label: 'hires.upscaler',
    words: 'Hires. fix · Upscaler',
    fold: HIRES,
    only: 'txt2img',
  },
  {
    id: 'txt2img_hr_scale',
    label: 'hires.scale',
    words: 'Hires. fix · Upscale by',
    fold: HIRES,
    only: 'txt2img',
  },
  { id: 'txt2img_hires_steps', label: 'hires.steps', words: 'Hires steps', fold: HIRES, only: 'txt2img' },
  {
    id: 'txt2img_denoising_strength',
    label: 'field.strength',
    words: 'Hires. fix · Denoising strength',
    fold: HIRES,
    only: 'txt2img',
  },
  {
    id: 'txt2img_hr_sampler',
    label: 'field.sampler',
    words: 'Hires sampling method',
    fold: HIRES,
    only: 'txt2img',
  },
  { id: 'hires_prompt', label: 'prompt.label', words: 'Hires prompt', fold: HIRES, only: 'txt2img' },
  { id: 'img2img_denoising_strength', label: 'field.strength', words: 'Denoising strength', only: 'img2img' },
  { id: 'resize_mode', label: 'resize.title', words: 'Resize mode', only: 'img2img' },
  { id: 'img2img_mask_blur', label: 'inpaint.blur', words: 'Mask blur', only: 'img2img' },
  { id: 'img2img_inpainting_fill', label: 'inpaint.content', words: 'Masked content', only: 'img2img' },
  {
    id: 'img2img_inpaint_full_res_padding',
    label: 'inpaint.padding',
    words: 'Only masked padding, pixels',
    only: 'img2img',
  },
]

/** The fields of a section, with its own ids. */
export function fieldsOf(kind: 'txt2img' | 'img2img'): FieldEntry[] {
  return FIELD_TABLE.filter(({ only }) => only === undefined || only === kind).map((entry) => ({
    ...entry,
    id: entry.id.replace('KIND', kind),
    fold: entry.fold?.replace('KIND', kind),
  }))
}
