import { expect, test } from 'vitest'

import { styled } from './styles'

test('a style surrounds the words or follows them', () => {
  const styles = [
    { name: 'a', prompt: '{prompt}, in oil', negative_prompt: 'text' },
    { name: 'b', prompt: ' cinematic ', negative_prompt: '' },
  ]
  expect(styled({ prompt: 'a cat', negative: '' }, styles)).toEqual({
    prompt: 'a cat, in oil, cinematic', negative: 'text',
  })
})
