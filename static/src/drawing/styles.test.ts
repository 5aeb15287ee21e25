import { expect, test } from 'vitest'

import { draftOf, isChanged, styled } from './styles'

test('a style surrounds the words or follows them', () => {
  const styles = [
    { name: 'a', prompt: '{prompt}, in oil', negative_prompt: 'text' },
    { name: 'b', prompt: ' cinematic ', negative_prompt: '' },
  ]
  expect(styled({ prompt: 'a cat', negative: '' }, styles)).toEqual({
    prompt: 'a cat, in oil, cinematic', negative: 'text',
  })
})

test('a style is changed when saving it would make a difference', () => {
  const ink = { name: 'ink', prompt: 'ink of {prompt}', negative_prompt: '' }
  expect(isChanged(draftOf(ink), ink)).toBe(false)
  expect(isChanged({ ...draftOf(ink), negative: 'colour' }, ink)).toBe(true)
  expect(isChanged(draftOf())).toBe(false)
  expect(isChanged({ ...draftOf(), name: 'oil' })).toBe(true)
})
