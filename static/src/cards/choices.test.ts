import { expect, test } from 'vitest'

import {
  cardChoices,
  findChoices,
  foldersOf,
  joinCards,
  sortChoices,
  TOP,
  withoutHash,
  withUse,
} from './choices'
import { makeCard } from './testCards'

const cards = [
  makeCard({ name: 'anime/b.safetensors', label: 'b', changed: 3, base: 'SDXL' }),
  makeCard({ name: 'a.safetensors', label: 'a', changed: 5 }),
  makeCard({ name: 'anime/old/c.safetensors', label: 'c', changed: 4 }),
]
const options = [
  { value: null, label: 'As the service is set' },
  { value: '/m/a.safetensors', label: 'a', name: 'a.safetensors [0123456789]' },
  { value: 'b.safetensors', label: 'b.safetensors' },
  { value: 'gone', label: 'gone' },
]
const labels = (choices: { label: string }[]) => choices.map(({ label }) => label)

test('a name stands without its hash', () => {
  expect(withoutHash('x [1] v2.safetensors [3346f3a1dd]')).toBe('x [1] v2.safetensors')
  expect(withoutHash('control [d14c016b]')).toBe('control')
  expect(withoutHash('plain [one]')).toBe('plain [one]')
})

test('options get the card of their model by path, file name, folder or stem', () => {
  const joined = joinCards('checkpoint', options, cards)
  expect(joined.map(({ card }) => card?.label)).toEqual([undefined, 'a', 'b', undefined])
  const folder = [makeCard({ name: 'mine/vae/diffusion_pytorch_model.safetensors', label: 'x' })]
  expect(joinCards('vae', [{ value: 'mine', label: 'mine' }], folder)[0]!.card).toBe(folder[0])
  expect(new Set(joined.map(({ key }) => key)).size).toBe(4)
})

test('folders are offered where there are some, with the top', () => {
  expect(foldersOf(cardChoices('lora', cards))).toEqual([TOP, 'anime', 'anime/old'])
  expect(foldersOf(cardChoices('lora', [cards[1]!]))).toEqual([])
})

test('a search looks at cards and at fixed values, a folder holds those below it', () => {
  const all = cardChoices('checkpoint', cards)
  expect(labels(findChoices(all, 'sdxl', ''))).toEqual(['b'])
  expect(labels(findChoices(all, '', 'anime'))).toEqual(['b', 'c'])
  expect(labels(findChoices(all, '', TOP))).toEqual(['a'])
  const joined = joinCards('checkpoint', options, cards)
  expect(labels(findChoices(joined, 'service', ''))).toEqual(['As the service is set'])
  expect(labels(findChoices(joined, '', TOP))).toEqual(['a'])
})

test('the latest or the last used comes first, behind fixed values', () => {
  const joined = joinCards('checkpoint', options.slice(0, 3), cards)
  expect(labels(sortChoices(joined, 'changed'))).toEqual(['As the service is set', 'a', 'b.safetensors'])
  const uses = withUse({}, 'checkpoint', 'anime/b.safetensors', 10)
  expect(labels(sortChoices(joined, 'used', uses)).at(1)).toBe('b.safetensors')
  expect(labels(sortChoices(joined, 'name', uses))).toEqual(labels(joined))
})

test('only so many uses of a kind are kept, the latest', () => {
  const uses = ['a', 'b', 'a', 'c'].reduce((now, name, at) => withUse(now, 'lora', name, at, 2), {})
  expect(uses).toEqual({ lora: { c: 3, a: 2 } })
})
