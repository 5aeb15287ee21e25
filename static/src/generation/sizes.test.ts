import { expect, test } from 'vitest'

import { fitSize, parseSize, suggestSizes, roundedSize } from './sizes'

test.each([256, 512, 1024])('shapes around %i keep its area within a fifth', (side) => {
  for (const { width, height } of suggestSizes(side)) {
    expect(width % 8).toBe(0)
    expect(height % 8).toBe(0)
    expect(Math.abs((width * height) / (side * side) - 1)).toBeLessThan(0.2)
  }
  expect(suggestSizes(side)[0]).toMatchObject({ width: side, height: side })
})

test('a pasted size fills both fields', () => {
  expect(parseSize(' 1024 x 768')).toEqual({ width: 1024, height: 768 })
  expect(parseSize('1024')).toBeNull()
})

test('sides that are no multiples of eight are told as they are drawn', () => {
  expect(roundedSize(512, 768)).toBe('')
  expect(roundedSize(513, 771)).toBe('512 × 768')
})

test('a large picture keeps its shape', () => {
  expect(fitSize(500, 331)).toEqual({ width: 504, height: 328 })
  expect(fitSize(6000, 3000)).toEqual({ width: 2048, height: 1024 })
})
