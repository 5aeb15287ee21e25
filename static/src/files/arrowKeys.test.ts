import { expect, test } from 'vitest'

import { indexAfterKey } from './arrowKeys'

const press = (key: string, from: number, columns = 1) =>
  indexAfterKey({ key, altKey: false }, from, 10, columns, 4)

test('arrows go by one in a list and by a row among tiles', () => {
  expect(press('ArrowDown', 3)).toBe(4)
  expect(press('ArrowRight', 3)).toBeNull()
  expect(press('ArrowDown', 3, 4)).toBe(7)
  expect(press('ArrowRight', 3, 4)).toBe(4)
})

test('past the ends arrows stay and pages go to the end', () => {
  expect(press('ArrowDown', 9)).toBe(9)
  expect(press('ArrowDown', 8, 4)).toBe(8)
  expect(press('PageDown', 8)).toBe(9)
  expect(press('PageUp', 2)).toBe(0)
})

test('the first arrow goes to the first entry', () => {
  expect(press('ArrowDown', -1)).toBe(0)
})
