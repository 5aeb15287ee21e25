import { expect, test } from 'vitest'

import { DEFAULTS } from './useFields'
import { applyInfotext } from './applyInfotext'

/** As the service takes a text apart: the words, sizes split, the rest as it stands. */
function taken(text: string): Record<string, unknown> {
  const [prompt, last = ''] = text.split('\n')
  const entries = [...last.matchAll(/\s*([\w -]+): ("[^"]*"|[^,]*),?/g)].map(([, key, value]) => [
    key!,
    value!.replaceAll('"', ''),
  ])
  const sizes = entries.flatMap(([key, value]) => {
    const [width, height] = /^\d+x\d+$/.test(value!) ? value!.split('x') : []
    return width
      ? [
          [`${key}-1`, width],
          [`${key}-2`, height],
        ]
      : [[key, value]]
  })
  return {
    Prompt: prompt,
    'Negative prompt': '',
    'Hires sampler': 'Use same sampler',
    'Hires resize-1': 0,
    ...Object.fromEntries(sizes),
  }
}

const OFFER = {
  schedules: ['Automatic', 'Karras'],
  checkpoints: [{ title: 'm.safetensors [0123456789]', model_name: 'm', filename: '/m', hash: '0123456789' }],
  options: {
    CLIP_stop_at_last_layers: 1,
    randn_source: 'GPU',
    eta_noise_seed_delta: 0,
    sgm_noise_multiplier: false,
  },
}
const pasted = (text: string, fields = DEFAULTS) => applyInfotext(fields, taken(text), OFFER)

test('an infotext fills what it tells and leaves the rest', () => {
  const fields = { ...DEFAULTS, batches: 3, negative: 'dog', schedule: 'Karras' }
  expect(
    pasted('a cat\nSteps: 8, Sampler: Euler, CFG scale: 5.5, Seed: 7, Size: 320x192', fields),
  ).toMatchObject({
    prompt: 'a cat',
    negative: '',
    steps: 8,
    sampler: 'Euler',
    guidance: 5.5,
    seed: 7,
    width: 320,
    height: 192,
    batches: 3,
    schedule: 'Automatic',
    clipSkip: null,
    overrides: {},
  })
})

test('an old name of a sampler holds its schedule', () => {
  expect(pasted('x\nSteps: 8, Sampler: DPM++ 2M Karras, Seed: 7')).toMatchObject({
    sampler: 'DPM++ 2M',
    schedule: 'Karras',
  })
})

test('hires fix, refiner, variation, model and options come along', () => {
  const text =
    'x\nSteps: 8, Sampler: Euler, Seed: 7, Model hash: 0123456789, Variation seed: 5, Variation seed strength: 0.25, ' +
    'Denoising strength: 0.6, Clip skip: 2, ENSD: 31337, RNG: NV, Hires prompt: "a, b", Hires upscale: 1.5, ' +
    'Hires upscaler: Latent, Refiner: m [0123456789], Refiner switch at: 0.6, SGM noise multiplier: True'
  expect(pasted(text)).toMatchObject({
    checkpoint: '/m',
    clipSkip: 2,
    strength: 0.6,
    variation: { on: true, seed: 5, strength: 0.25 },
    hires: { on: true, scale: 1.5, strength: 0.6, prompt: 'a, b', bySize: false },
    refiner: { on: true, switchAt: 0.6 },
    overrides: { eta_noise_seed_delta: 31337, randn_source: 'NV', sgm_noise_multiplier: true },
  })
})

test('inpainting comes along', () => {
  const text =
    'x\nSteps: 8, Seed: 7, Denoising strength: 0.4, Mask blur: 6, Inpaint area: Only masked, ' +
    'Masked area padding: 16, Masked content: latent noise, Mask mode: Inpaint not masked'
  expect(pasted(text).inpaint).toEqual({
    blur: 6,
    transparency: 0,
    invert: true,
    content: 2,
    onlyMasked: true,
    padding: 16,
  })
})
