/** What the shipped plugin takes for the word at the caret, and what it writes in its place. */
import { expect, test } from 'vitest'

// @ts-expect-error a plugin's module is plain JavaScript
import { among, short, sought, written } from '../../../plugins/autocompletion/static/words.js'

interface Sought {
  words: string
  start: number
  end: number
  lora: boolean
}
const at = (marked: string) => sought(marked.replace('|', ''), marked.indexOf('|')) as Sought[]
const SETUP = { spaces: true, comma: true }

test('the phrase since the last comma is sought, then its last word', () => {
  expect(at('a cat, blue s|').map(({ words }) => words)).toEqual(['blue s', 's'])
  expect(at('(masterp|').map(({ words }) => words)).toEqual(['masterp'])
  expect(at('a cat,|')).toEqual([])
  expect(at('a cat, |')).toEqual([])
  expect(at('one\ntw|')).toEqual([{ words: 'tw', start: 4, end: 6, lora: false }])
})

test('in the middle of a word the rest of it gives way', () => {
  const [found] = at('a bl|ue, dog')
  expect(found).toEqual({ words: 'a bl', start: 0, end: 6, lora: false })
  expect(at('a bl|ue, dog')[1]).toEqual({ words: 'bl', start: 2, end: 6, lora: false })
})

test('a LoRA is sought by its bracket, and a closed one is taken whole', () => {
  expect(at('cat <lora:pa|')).toEqual([{ words: 'pa', start: 4, end: 12, lora: true }])
  expect(at('cat <pa|')).toEqual([{ words: 'pa', start: 4, end: 7, lora: true }])
  expect(at('cat <lora:pa|:0.8>, dog')).toEqual([{ words: 'pa', start: 4, end: 17, lora: true }])
  expect(at('<lora:paint:1|>').every(({ lora }) => !lora)).toBe(true)
})

test('what is written suits what follows', () => {
  expect(written({ kind: 'lora', name: 'paint_v2' }, '', SETUP)).toBe('<lora:paint_v2:1>')
  expect(written({ kind: 'tag', name: 'blue_sky' }, '', SETUP)).toBe('blue sky, ')
  expect(written({ kind: 'tag', name: 'blue_sky' }, ', dog', SETUP)).toBe('blue sky')
  expect(written({ kind: 'tag', name: 'miku_(vocaloid)' }, ')', SETUP)).toBe('miku \\(vocaloid\\)')
  expect(written({ kind: 'tag', name: '^_^' }, '', SETUP)).toBe('^_^, ')
  expect(written({ kind: 'embedding', name: 'bad_hands' }, '', { spaces: true, comma: false })).toBe(
    'bad_hands',
  )
})

test('of what is installed, names that begin with the words come first', () => {
  const items = ['old paint', 'Paint_A', 'other'].map((name) => ({ kind: 'lora', name }))
  const names = (words: string, most: number) =>
    (among(items, words, most) as { name: string }[]).map(({ name }) => name)
  expect(names('paint', 5)).toEqual(['Paint_A', 'old paint'])
  expect(names('paint a', 5)).toEqual(['Paint_A'])
  expect(names('', 2)).toEqual(['old paint', 'Paint_A'])
})

test('counts are short', () => {
  expect([7, 1500, 52_000, 1_234_567].map((count) => short(count) as string)).toEqual([
    '7',
    '1.5k',
    '52k',
    '1.2M',
  ])
})
