import { expect, test } from 'vitest'

import { parseInfotext } from '../infotext'
import { DEFAULTS, requestOf, withInfotext } from './fields'
import { fileName } from './files'

test('an empty size is what the checkpoint likes', () => {
  const request = requestOf({ ...DEFAULTS, prompt: 'a cat', height: 512 }, 256, null, 'task(1)')
  expect(request).toMatchObject({ width: 256, height: 512, force_task_id: 'task(1)', override_settings: {} })
})

test('the chosen checkpoint goes along as this request alone', () => {
  const { override_settings } = requestOf(DEFAULTS, 256, 'a.safetensors [0123456789]', 't')
  expect(override_settings).toEqual({ sd_model_checkpoint: 'a.safetensors [0123456789]' })
})

test('an infotext fills what it tells and leaves the rest', () => {
  const told = parseInfotext('a cat\nSteps: 8, Sampler: Euler, CFG scale: 5.5, Seed: 7, Size: 320x192')
  expect(withInfotext({ ...DEFAULTS, batches: 3, negative: 'dog' }, told)).toMatchObject({
    prompt: 'a cat', negative: '', steps: 8, sampler: 'Euler', guidance: 5.5, seed: 7,
    width: 320, height: 192, batches: 3, schedule: 'Automatic',
  })
})

test('a download is named by its words and seed', () => {
  expect(fileName({ prompt: 'A red/house: ../x', seed: 7, kind: 'png' })).toBe('a-red-house-x-7.png')
  expect(fileName({ prompt: '', seed: 7, kind: 'webp' })).toBe('picture-7.webp')
})
