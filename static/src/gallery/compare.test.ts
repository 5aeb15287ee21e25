import { expect, test } from 'vitest'

import { compareInfotexts, markWords } from './compare'
import { panBy, transformOf, WHOLE, zoomAt } from './zoom'

const ONE = 'a boat\nNegative prompt: fog\nSteps: 20, Sampler: Euler a, Seed: 1'
const OTHER = 'a boat\nNegative prompt: fog\nSteps: 20, Sampler: Euler, Seed: 1, Model: painter'

test('what differs is marked, also where one does not tell', () => {
  const rows = compareInfotexts([ONE, OTHER])
  expect(rows.map(({ name }) => name)).toEqual(['prompt', 'negative', 'Steps', 'Sampler', 'Seed', 'Model'])
  expect(rows.filter(({ differs }) => differs)).toEqual([
    { name: 'Sampler', values: ['Euler a', 'Euler'], differs: true },
    { name: 'Model', values: ['', 'painter'], differs: true },
  ])
})

test('words that not all prompts have', () => {
  const words = markWords(['a red boat, calm', 'a blue boat, calm'], 0)
  expect(words.filter(({ shared }) => !shared)).toEqual([{ text: 'red', shared: false }])
  expect(words.map(({ text }) => text).join('')).toBe('a red boat, calm')
})

test('a zoom keeps the point below the pointer and never leaves the picture', () => {
  const look = zoomAt(WHOLE, 2, 0.25, 0)
  expect(look).toEqual({ scale: 2, x: -0.25, y: 0 })
  expect(zoomAt(look, 0.5, 0.25, 0)).toEqual(WHOLE)
  expect(zoomAt(WHOLE, 0.5, 0, 0)).toEqual(WHOLE)
  expect(zoomAt(WHOLE, 100, 0, 0).scale).toBe(16)
  expect(panBy(look, 5, -5)).toEqual({ scale: 2, x: 0.5, y: -0.5 })
  expect(transformOf(look)).toBe('translate(-25%, 0%) scale(2)')
})
