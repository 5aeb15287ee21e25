import { expect, test } from 'vitest'

import { boxAround, clipBox, corners, fitView, joinBoxes, panView, toPicture, zoomView } from './geometry'

const PICTURE = { width: 200, height: 100 }
const HOLDER = { width: 400, height: 400 }
const FIT = fitView(PICTURE, HOLDER)

test('a picture fits in the middle', () => {
  expect(FIT).toEqual({ scale: 2, x: 0, y: 100 })
  expect(fitView(PICTURE, HOLDER, 100)).toEqual({ scale: 1, x: 100, y: 150 })
})

test('the point below the pointer stays there while zooming', () => {
  const around = { x: 120, y: 230 }
  const zoomed = zoomView(FIT, 1.7, around, FIT)
  expect(zoomed.scale).toBeCloseTo(3.4)
  const [before, after] = [toPicture(FIT, around), toPicture(zoomed, around)]
  expect(after.x).toBeCloseTo(before.x)
  expect(after.y).toBeCloseTo(before.y)
})

test('zooming ends at what fits and at its sixteenfold', () => {
  expect(zoomView({ scale: 3, x: -50, y: 9 }, 0.1, { x: 0, y: 0 }, FIT)).toEqual(FIT)
  expect(zoomView(FIT, 1000, { x: 0, y: 0 }, FIT).scale).toBe(32)
})

test('a picture cannot be moved out of sight', () => {
  expect(panView(FIT, { x: 10, y: -5 }, PICTURE, HOLDER)).toEqual({ scale: 2, x: 10, y: 95 })
  expect(panView(FIT, { x: 9999, y: -9999 }, PICTURE, HOLDER)).toEqual({ scale: 2, x: 320, y: -120 })
})

test('boxes are joined, and clipped to whole pixels of the picture', () => {
  const box = boxAround([{ x: 3, y: 9 }, { x: 1, y: 4 }], 2) // prettier-ignore
  expect(box).toEqual({ x: -1, y: 2, width: 6, height: 9 })
  expect(joinBoxes(null, box)).toBe(box)
  expect(joinBoxes(box, { x: 0, y: 0, width: 10, height: 1 })).toEqual({ x: -1, y: 0, width: 11, height: 11 })
  expect(clipBox({ x: -1, y: 2.5, width: 6, height: 9 }, PICTURE)).toEqual({
    x: 0,
    y: 2,
    width: 5,
    height: 10,
  })
  expect(clipBox({ x: 300, y: 0, width: 5, height: 5 }, PICTURE)).toBeNull()
})

test('a rectangle has four corners, whichever way it is drawn', () => {
  expect(corners({ x: 5, y: 6 }, { x: 1, y: 2 })).toEqual([
    { x: 5, y: 6 },
    { x: 1, y: 6 },
    { x: 1, y: 2 },
    { x: 5, y: 2 },
  ])
})
