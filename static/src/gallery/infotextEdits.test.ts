import { expect, test } from 'vitest'

import { parseInfotext } from '../generation/infotext'
import { hiresOf, variationsOf, withParameters } from './infotextEdits'

const INFOTEXT = [
  'a boat, calm sea',
  'Negative prompt: fog',
  'Steps: 20, Sampler: Euler a, Seed: 42, Size: 512x512, Lora hashes: "ink: 0123, brush: 4567"',
].join('\n')

test('changed, added and removed parameters; the rest stays', () => {
  const changed = withParameters(INFOTEXT, { Seed: '7', Steps: null, Note: 'a, b' })
  expect(parseInfotext(changed)).toEqual({
    prompt: 'a boat, calm sea',
    negative: 'fog',
    parameters: {
      Sampler: 'Euler a',
      Seed: '7',
      Size: '512x512',
      'Lora hashes': 'ink: 0123, brush: 4567',
      Note: 'a, b',
    },
  })
})

test('variations keep the seed and have a variation seed of their own', () => {
  const { parameters } = parseInfotext(variationsOf(INFOTEXT))
  expect(parameters).toMatchObject({ Seed: '42', 'Variation seed': '-1', 'Variation seed strength': '0.15' })
})

test('a picture is drawn larger once', () => {
  const larger = hiresOf(INFOTEXT)
  expect(parseInfotext(larger).parameters).toMatchObject({ 'Hires upscale': '2', Seed: '42' })
  expect(hiresOf(larger)).toBe(larger)
})
