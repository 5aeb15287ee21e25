/** Builds API requests from the form's fields. */
import type { GenerationRequest, Img2Img, Options, Txt2Img } from '../api/sdapi'
import type { Panels } from '../extensions/pluginParts'
import { toApiUnit, type ControlUnit } from './controlUnits'
import type { Fields } from './useFields'

/** What a request needs beside the fields. */
export interface RequestContext {
  side: number // pixels that the checkpoint likes
  title: string | null // of the checkpoint that draws
  task: string
  units: ControlUnit[]
  panels: Panels // what plugins are sent
}

/** The picture that img2img starts from, and its mask. */
export interface SourcePicture {
  image: string // data URI
  width: number // pixels
  height: number
  mask: string | null // data URI; null: the whole picture
}

export function buildTxt2Img(fields: Fields, context: RequestContext): Txt2Img {
  return { ...buildCommon(fields, context, []), ...buildHires(fields) }
}

export function buildImg2Img(fields: Fields, context: RequestContext, source: SourcePicture): Img2Img {
  const soft = source.mask !== null && fields.soft.on ? [true, ...fields.soft.numbers] : []
  return {
    ...buildCommon(fields, context, soft),
    ...outputSize(fields, context.side, source),
    denoising_strength: fields.strength,
    resize_mode: fields.resizeMode,
    init_images: [source.image],
    ...(source.mask === null ? {} : buildInpainting(fields, source.mask)),
  }
}

/** img2img's output size for a source picture, computed as AUTOMATIC1111 does. */
export function outputSize(
  { sizing, scale, width, height }: Pick<Fields, 'sizing' | 'scale' | 'width' | 'height'>,
  side: number,
  source: Pick<SourcePicture, 'width' | 'height'> | null,
): { width: number; height: number } {
  if (sizing === 'to' || !source) return { width: width ?? side, height: height ?? side }
  const scaled = (pixels: number) => Math.max(64, Math.floor(pixels * scale))
  return { width: scaled(source.width), height: scaled(source.height) }
}

function buildCommon(
  fields: Fields,
  { side, title, task, units, panels }: RequestContext,
  soft: unknown[],
): GenerationRequest {
  const enabledUnits = units.filter(({ on }) => on)
  const alwayson: GenerationRequest['alwayson_scripts'] = { ...panels }
  if (enabledUnits.length > 0) alwayson.controlnet = { args: enabledUnits.map(toApiUnit) }
  if (soft.length > 0) alwayson['soft inpainting'] = { args: soft }
  return {
    prompt: fields.prompt,
    negative_prompt: fields.negative,
    styles: fields.styles,
    sampler_name: fields.sampler,
    scheduler: fields.schedule,
    steps: fields.steps,
    width: fields.width ?? side,
    height: fields.height ?? side,
    cfg_scale: fields.guidance,
    seed: fields.seed,
    ...buildVariation(fields),
    n_iter: fields.batches,
    batch_size: fields.batchSize,
    ...(fields.tiling ? { tiling: true } : {}),
    ...(fields.faces === null ? {} : { restore_faces: fields.faces !== '' }),
    ...buildRefiner(fields),
    ...buildScript(fields),
    ...(Object.keys(alwayson).length > 0 ? { alwayson_scripts: alwayson } : {}),
    send_images: true,
    save_images: true,
    force_task_id: task,
    override_settings: buildOverrides(fields, title),
  }
}

function buildVariation({
  variation: { on, seed, strength, width, height },
}: Fields): Partial<GenerationRequest> {
  if (!on) return {}
  const resized = width > 0 && height > 0
  return {
    subseed: seed,
    subseed_strength: strength,
    ...(resized ? { seed_resize_from_w: width, seed_resize_from_h: height } : {}),
  }
}

function buildRefiner({ refiner: { on, checkpoint, switchAt } }: Fields): Partial<GenerationRequest> {
  return on && checkpoint ? { refiner_checkpoint: checkpoint, refiner_switch_at: switchAt } : {}
}

function buildScript({ script: { name, given } }: Fields): Partial<GenerationRequest> {
  return name && given[name] ? { script_name: name, script_args: given[name] } : {}
}

function buildOverrides(fields: Fields, title: string | null): Options {
  return {
    ...fields.overrides,
    ...(title === null ? {} : { sd_model_checkpoint: title }),
    ...(fields.vae === null ? {} : { sd_vae: fields.vae }),
    ...(fields.faces ? { face_restoration_model: fields.faces } : {}),
    ...(fields.clipSkip === null ? {} : { CLIP_stop_at_last_layers: fields.clipSkip }),
  }
}

function buildHires({ hires: h }: Fields): Partial<Txt2Img> {
  if (!h.on) return {}
  return {
    enable_hr: true,
    denoising_strength: h.strength,
    hr_upscaler: h.upscaler,
    hr_second_pass_steps: h.steps,
    ...(h.bySize ? { hr_resize_x: h.width, hr_resize_y: h.height } : { hr_scale: h.scale }),
    ...(h.checkpoint ? { hr_checkpoint_name: h.checkpoint } : {}),
    ...(h.sampler ? { hr_sampler_name: h.sampler } : {}),
    ...(h.schedule ? { hr_scheduler: h.schedule } : {}),
    hr_prompt: h.prompt,
    hr_negative_prompt: h.negative,
  }
}

function buildInpainting({ inpaint }: Fields, mask: string): Partial<Img2Img> {
  return {
    mask,
    mask_blur: inpaint.blur,
    inpainting_fill: inpaint.content,
    inpaint_full_res: inpaint.onlyMasked,
    inpaint_full_res_padding: inpaint.padding,
    inpainting_mask_invert: inpaint.invert ? 1 : 0,
  }
}

/** The size after hires fix (contract section 5.1); null where there is nothing to enlarge. */
export function hiresSize(
  width: number,
  height: number,
  { bySize, scale, width: across, height: down }: Fields['hires'],
): { width: number; height: number } | null {
  if (!bySize) return { width: Math.floor(width * scale), height: Math.floor(height * scale) }
  if (across === 0 && down === 0) return null
  if (down === 0) return { width: across, height: Math.floor((across * height) / width) }
  if (across === 0) return { width: Math.floor((down * width) / height), height: down }
  return { width: across, height: down }
}
