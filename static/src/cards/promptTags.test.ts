import { expect, test } from 'vitest'

import { isInPrompt, toggleInPrompt } from './promptTags'
import { makeCard } from './testCards'

const ink = makeCard({
  kind: 'lora',
  label: 'ink (v1)',
  words: ['ink', 'wash'],
  notes: { weight: 0.7, negative: 'photo' },
})
const face = makeCard({ kind: 'embedding', label: 'easynegative' })

test('a LoRA comes with its weight, its words and what it does not want, and goes with them', () => {
  const added = toggleInPrompt(ink, { prompt: 'a cat, ', negative: '' })
  expect(added).toEqual({ prompt: 'a cat <lora:ink (v1):0.7> ink, wash', negative: 'photo' })
  expect(isInPrompt(ink, added)).toBe(true)
  expect(toggleInPrompt(ink, added)).toEqual({ prompt: 'a cat', negative: '' })
})

test('a LoRA with a weight of the user is known and removed alone', () => {
  const typed = { prompt: 'a <lora:ink (v1):0.3:lbw=INS> cat', negative: 'blur' }
  expect(isInPrompt(ink, typed)).toBe(true)
  expect(toggleInPrompt(ink, typed)).toEqual({ prompt: 'a cat', negative: 'blur' })
  expect(isInPrompt(ink, { prompt: '<lora:ink (v10):1>', negative: '' })).toBe(false)
})

test('an embedding is a word of its own, in either prompt', () => {
  expect(toggleInPrompt(face, { prompt: '', negative: '' }).prompt).toBe('easynegative')
  expect(toggleInPrompt(face, { prompt: 'a cat', negative: '' }).prompt).toBe('a cat, easynegative')
  expect(toggleInPrompt(face, { prompt: 'a', negative: 'blur' }, 'negative')).toEqual({
    prompt: 'a',
    negative: 'blur, easynegative',
  })
  expect(isInPrompt(face, { prompt: 'a', negative: '(EasyNegative:1.2)' })).toBe(true)
  expect(isInPrompt(face, { prompt: 'easynegative-v2', negative: '' })).toBe(false)
  expect(toggleInPrompt(face, { prompt: 'a', negative: 'blur, easynegative, x' }).negative).toBe('blur, x')
})

test('a hypernetwork has a tag', () => {
  const net = makeCard({ kind: 'hypernetwork', label: 'h' })
  expect(toggleInPrompt(net, { prompt: 'a', negative: '' }).prompt).toBe('a <hypernet:h:1>')
})
