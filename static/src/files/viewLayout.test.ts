import { expect, test } from 'vitest'

import { layoutFor } from './viewLayout'

test('a list has one column, with taller rows on a phone', () => {
  expect(layoutFor('list', 900)).toEqual({ columns: 1, row: 44 })
  expect(layoutFor('list', 320)).toEqual({ columns: 1, row: 56 })
})

test('tiles fill the width, two at least', () => {
  expect(layoutFor('grid', 1480)).toEqual({ columns: 10, row: 176 })
  expect(layoutFor('gallery', 1480).columns).toBe(6)
  expect(layoutFor('gallery', 200)).toEqual({ columns: 2, row: 120 })
})
