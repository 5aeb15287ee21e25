import { expect, test } from 'vitest'

import { layOutCards, placePicker } from './layout'

test('a picker opens below its field and stays within the window', () => {
  const desk = { width: 1440, height: 900 }
  expect(placePicker({ left: 20, top: 60, height: 40 }, desk)).toEqual({
    left: 20,
    top: 106,
    width: 860,
    height: 620,
  })
  const low = placePicker({ left: 1300, top: 800, height: 40 }, desk)
  expect([low.left + low.width, low.top + low.height]).toEqual([1426, 886])
  const small = placePicker({ left: 0, top: 0, height: 40 }, { width: 700, height: 400 })
  expect(small).toEqual({ left: 14, top: 14, width: 672, height: 372 })
})

test('cards are never narrower than they can be read, and at least two stand in a row', () => {
  expect(layOutCards(550).columns).toBe(4)
  expect(layOutCards(200).columns).toBe(2)
  expect(layOutCards(0).row).toBeGreaterThan(0)
  expect(layOutCards(2000).row).toBeLessThan(200)
})
