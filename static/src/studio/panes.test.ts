import { expect, test } from 'vitest'

import { clampWidth, likedWidth, NARROWEST, widthByKey } from './panes'

test('the gallery is never narrower than a picture, nor wider than half of the window', () => {
  expect(clampWidth(20, 1440)).toBe(NARROWEST)
  expect(clampWidth(2000, 1440)).toBe(720)
  expect(clampWidth(300.4, 1440)).toBe(300)
  expect(clampWidth(300, 200)).toBe(NARROWEST)
})

test('it grows with the window', () => {
  expect([1024, 1440, 3840].map(likedWidth)).toEqual([260, 260, 691])
})

test('keys move its left edge', () => {
  expect(widthByKey('ArrowLeft', 300, 1440)).toBe(324)
  expect(widthByKey('ArrowRight', 190, 1440)).toBe(NARROWEST)
  expect(widthByKey('End', 300, 1440)).toBe(720)
  expect(widthByKey('Home', 300, 1440)).toBe(NARROWEST)
  expect(widthByKey('a', 300, 1440)).toBeNull()
})
