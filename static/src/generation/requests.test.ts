import { expect, test } from 'vitest'

import { newUnit } from './controlUnits'
import { fillMissing, DEFAULTS, createDefaults } from './useFields'
import { fileName } from './downloads'
import { hiresSize, buildImg2Img, outputSize, buildTxt2Img } from './requests'

const AROUND = { side: 256, title: null, task: 'task(1)', units: [], panels: {} }
const SOURCE = { image: 'data:a', width: 300, height: 200, mask: null }

test('an empty size is what the checkpoint likes', () => {
  const request = buildTxt2Img({ ...DEFAULTS, prompt: 'a cat', height: 512 }, AROUND)
  expect(request).toMatchObject({ width: 256, height: 512, force_task_id: 'task(1)', override_settings: {} })
  expect(request).not.toHaveProperty('enable_hr')
  expect(request).not.toHaveProperty('alwayson_scripts')
})

test('the chosen models and options go along as this request alone', () => {
  const fields = { ...createDefaults(), vae: 'a.pt', clipSkip: 2, overrides: { randn_source: 'NV' } }
  const { override_settings } = buildTxt2Img(fields, { ...AROUND, title: 'a.safetensors [0123456789]' })
  expect(override_settings).toEqual({
    sd_model_checkpoint: 'a.safetensors [0123456789]',
    sd_vae: 'a.pt',
    CLIP_stop_at_last_layers: 2,
    randn_source: 'NV',
  })
})

test('faces are restored by the chosen one, by none, or as the service says', () => {
  const chosen = buildTxt2Img({ ...createDefaults(), faces: 'GFPGAN' }, AROUND)
  expect(chosen).toMatchObject({
    restore_faces: true,
    override_settings: { face_restoration_model: 'GFPGAN' },
  })
  const off = buildTxt2Img({ ...createDefaults(), faces: '' }, AROUND)
  expect(off).toMatchObject({ restore_faces: false, override_settings: {} })
  expect(buildTxt2Img(createDefaults(), AROUND)).not.toHaveProperty('restore_faces')
})

test('a fold that is off says nothing', () => {
  const fields = createDefaults()
  Object.assign(fields.hires, { on: true, bySize: true, width: 640 })
  Object.assign(fields.variation, { strength: 0.5 })
  const request = buildTxt2Img(fields, AROUND)
  expect(request).toMatchObject({
    enable_hr: true,
    hr_resize_x: 640,
    hr_resize_y: 0,
    denoising_strength: 0.7,
  })
  expect(request).not.toHaveProperty('hr_scale')
  expect(request).not.toHaveProperty('subseed_strength')
})

test('units that are on, and soft inpainting under a mask, go along as scripts', () => {
  const fields = { ...createDefaults(), soft: { ...DEFAULTS.soft, on: true } }
  const units = [newUnit(), { ...newUnit(), on: true, module: 'canny' }]
  const request = buildImg2Img(fields, { ...AROUND, units }, { ...SOURCE, mask: 'data:m' })
  expect(request.alwayson_scripts).toMatchObject({
    controlnet: { args: [{ enabled: true, module: 'canny' }] },
    'soft inpainting': { args: [true, 1, 0.5, 4, 0, 0.5, 2] },
  })
  expect(request).toMatchObject({ inpainting_fill: 1, inpaint_full_res: false, inpaint_full_res_padding: 32 })
  expect(buildImg2Img(fields, AROUND, SOURCE)).not.toHaveProperty('mask')
})

test('a picture is redrawn at its own size times a factor', () => {
  expect(outputSize({ ...DEFAULTS, sizing: 'by', scale: 1.51 }, 256, SOURCE)).toEqual({
    width: 453,
    height: 302,
  })
  expect(outputSize(DEFAULTS, 256, SOURCE)).toEqual({ width: 256, height: 256 })
})

test('hires fix tells the size it ends with', () => {
  expect(hiresSize(512, 768, { ...DEFAULTS.hires, scale: 1.5 })).toEqual({ width: 768, height: 1152 })
  const bySize = { ...DEFAULTS.hires, bySize: true }
  expect(hiresSize(512, 768, bySize)).toBeNull()
  expect(hiresSize(512, 768, { ...bySize, width: 1024 })).toEqual({ width: 1024, height: 1536 })
  expect(hiresSize(512, 768, { ...bySize, width: 1024, height: 1024 })).toEqual({ width: 1024, height: 1024 })
})

test('fields of an earlier visit are completed with those added since', () => {
  const stored = { prompt: 'kept', hires: { on: true } } as never
  expect(fillMissing(stored, DEFAULTS)).toMatchObject({
    prompt: 'kept',
    steps: 20,
    hires: { on: true, scale: 2 },
  })
})

test('a download is named by its words and seed', () => {
  expect(fileName({ prompt: 'A red/house: ../x', seed: 7, kind: 'png' })).toBe('a-red-house-x-7.png')
  expect(fileName({ prompt: '', seed: 7, kind: 'webp' })).toBe('picture-7.webp')
})
