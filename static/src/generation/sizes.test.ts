import { expect, test } from 'vitest'

import { parseSize, suggestSizes } from './sizes'

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
