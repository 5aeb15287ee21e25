import { expect, test } from 'vitest'

import { parseInfotext } from './infotext'

const TEXT = `a cat,
sitting: still
Negative prompt: dog
Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.0, Seed: 1, Size: 512x768, Note: "a: b, \\"c\\""`

test('words, negative words and parameters are told apart', () => {
  const { prompt, negative, parameters } = parseInfotext(TEXT)
  expect(prompt).toBe('a cat,\nsitting: still')
  expect(negative).toBe('dog')
  expect(parameters).toMatchObject({ Steps: '20', Sampler: 'DPM++ 2M', Size: '512x768', Note: 'a: b, "c"' })
})

test('a last line with fewer than three parameters belongs to the prompt', () => {
  expect(parseInfotext('a sign: open').prompt).toBe('a sign: open')
})
