import { expect, test } from 'vitest'

import { NO_DEFAULTS } from '../cards/defaults'
import type { Card } from './api'
import { matches, promptTag, withoutArticle } from './cardSearch'

const notes = {
  description: '',
  base: '',
  words: '',
  weight: 0,
  negative: '',
  notes: '',
  vae: '',
}
const card: Card = {
  kind: 'lora', name: 'styles/ink.safetensors', label: 'inky', size: 1, changed: 0, hash: '0123456789',
  base: 'SDXL', belongs_in: null, side: null, description: '', preview: null, title: 'Ink wash', author: '', licence: '', source: '',
  words: ['brush', 'ink'], notes, defaults: NO_DEFAULTS,
} // prettier-ignore

test('every word of a search must be there, in any case', () => {
  expect(matches(card, '')).toBe(true)
  expect(matches(card, ' sdxl BRUSH ')).toBe(true)
  expect(matches(card, 'sdxl pen')).toBe(false)
})

test('what a file is stands in a sentence of any language', () => {
  expect(withoutArticle('a LoRA')).toBe('LoRA')
  expect(withoutArticle('an embedding (textual inversion)')).toBe('embedding (textual inversion)')
})

test('a prompt names a LoRA with its weight and words', () => {
  expect(promptTag(card)).toBe('<lora:inky:1> brush, ink')
  expect(promptTag({ ...card, notes: { ...notes, weight: 0.7, words: 'ink' } })).toBe('<lora:inky:0.7> ink')
  expect(promptTag({ ...card, kind: 'embedding' })).toBe('inky')
  expect(promptTag({ ...card, kind: 'checkpoint' })).toBe('')
})
