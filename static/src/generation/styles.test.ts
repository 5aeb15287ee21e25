import { expect, test } from 'vitest'

import { toDraft, isChanged, applyStyles } from './styles'

test('a style surrounds the words or follows them', () => {
  const styles = [
    { name: 'a', prompt: '{prompt}, in oil', negative_prompt: 'text' },
    { name: 'b', prompt: ' cinematic ', negative_prompt: '' },
  ]
  expect(applyStyles({ prompt: 'a cat', negative: '' }, styles)).toEqual({
    prompt: 'a cat, in oil, cinematic',
    negative: 'text',
  })
})

test('a style is changed when saving it would make a difference', () => {
  const ink = { name: 'ink', prompt: 'ink of {prompt}', negative_prompt: '' }
  expect(isChanged(toDraft(ink), ink)).toBe(false)
  expect(isChanged({ ...toDraft(ink), negative: 'colour' }, ink)).toBe(true)
  expect(isChanged(toDraft())).toBe(false)
  expect(isChanged({ ...toDraft(), name: 'oil' })).toBe(true)
})
