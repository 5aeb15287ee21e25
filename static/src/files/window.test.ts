import { expect, test } from 'vitest'

import { inSight, revealing } from './window'

const TALL = 600 // pixels

test('a few rows around what is scrolled to are drawn', () => {
  const { first, last, top, height } = inSight(44_000, TALL, 100_000, 44)
  expect(height).toBe(4_400_000)
  expect(first).toBe(994)
  expect(last).toBe(1020)
  expect(top).toBe(994 * 44)
})

test('the last row can be reached in a list taller than a browser holds', () => {
  const rows = 2_000_000
  const { height } = inSight(0, TALL, rows, 44)
  expect(height).toBeLessThan(rows * 44)
  const end = inSight(height - TALL, TALL, rows, 44)
  expect(end.last).toBe(rows)
  const bottom = end.top + (end.last - end.first) * 44
  expect(Math.round(bottom)).toBe(height)
})

test('a row out of sight is scrolled to, one in sight is not', () => {
  expect(revealing(10, 0, TALL, 1000, 44)).toBe(0)
  expect(revealing(20, 0, TALL, 1000, 44)).toBe(21 * 44 - TALL)
  expect(revealing(5, 1000, TALL, 1000, 44)).toBe(220)
  const far = revealing(1_999_999, 0, TALL, 2_000_000, 44)
  expect(inSight(far, TALL, 2_000_000, 44).last).toBe(2_000_000)
})
