import { expect, test } from 'vitest'

import { findVisibleRows, scrollOffsetFor } from './virtualList'

const TALL = 600 // pixels

test('a few rows around what is scrolled to are drawn', () => {
  const { first, last, top, height } = findVisibleRows(44_000, TALL, 100_000, 44)
  expect(height).toBe(4_400_000)
  expect(first).toBe(994)
  expect(last).toBe(1020)
  expect(top).toBe(994 * 44)
})

test('the last row can be reached in a list taller than a browser holds', () => {
  const rows = 2_000_000
  const { height } = findVisibleRows(0, TALL, rows, 44)
  expect(height).toBeLessThan(rows * 44)
  const end = findVisibleRows(height - TALL, TALL, rows, 44)
  expect(end.last).toBe(rows)
  const bottom = end.top + (end.last - end.first) * 44
  expect(Math.round(bottom)).toBe(height)
})

test('a row out of sight is scrolled to, one in sight is not', () => {
  expect(scrollOffsetFor(10, 0, TALL, 1000, 44)).toBe(0)
  expect(scrollOffsetFor(20, 0, TALL, 1000, 44)).toBe(21 * 44 - TALL)
  expect(scrollOffsetFor(5, 1000, TALL, 1000, 44)).toBe(220)
  const far = scrollOffsetFor(1_999_999, 0, TALL, 2_000_000, 44)
  expect(findVisibleRows(far, TALL, 2_000_000, 44).last).toBe(2_000_000)
})
