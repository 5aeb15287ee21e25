import { expect, test } from 'vitest'

import { dragGrowth, grownBoxes, grownSize, handleAt, handlePoint, isGrown, NO_GROWTH } from './growth'

const PICTURE = { width: 100, height: 64 }

test('a grown picture has sides in steps of eight', () => {
  const right = dragGrowth(NO_GROWTH, { x: 1, y: 0 }, { x: 30, y: 99 }, PICTURE)
  expect(right).toEqual({ left: 0, up: 0, right: 28, down: 0 })
  expect(grownSize(PICTURE, right)).toEqual({ width: 128, height: 64 })
  const corner = dragGrowth(right, { x: -1, y: -1 }, { x: -15, y: -10 }, PICTURE)
  expect(grownSize(PICTURE, corner)).toEqual({ width: 144, height: 72 })
  expect([isGrown(NO_GROWTH), isGrown(corner)]).toEqual([false, true])
})

test('a frame is never smaller than the picture, nor endless', () => {
  const grown = { left: 8, up: 0, right: 20, down: 0 }
  expect(dragGrowth(grown, { x: -1, y: 0 }, { x: 500, y: 0 }, PICTURE).left).toBe(0)
  const far = dragGrowth(grown, { x: 1, y: 0 }, { x: 9999, y: 0 }, PICTURE)
  expect(grownSize(PICTURE, far).width).toBe(2048)
  const large = { width: 3000, height: 64 }
  expect(dragGrowth(NO_GROWTH, { x: 1, y: 0 }, { x: 50, y: 0 }, large).right).toBe(0)
})

test('a handle is found near the frame', () => {
  const view = { scale: 2, x: 10, y: 20 } // the frame: 10..210, 20..148
  expect(handleAt({ x: 8, y: 22 }, view, PICTURE, 12)).toEqual({ x: -1, y: -1 })
  expect(handleAt({ x: 215, y: 80 }, view, PICTURE, 12)).toEqual({ x: 1, y: 0 })
  expect(handleAt({ x: 100, y: 150 }, view, PICTURE, 12)).toEqual({ x: 0, y: 1 })
  expect(handleAt({ x: 100, y: 80 }, view, PICTURE, 12)).toBeNull()
  expect(handleAt({ x: 100, y: 190 }, view, PICTURE, 12)).toBeNull()
  expect(handlePoint({ x: 1, y: 0 }, { x: 0, y: 0, ...PICTURE })).toEqual({ x: 100, y: 32 })
})

test('all beside the picture is drawn anew, with a seam', () => {
  expect(grownBoxes(PICTURE, NO_GROWTH)).toEqual([])
  expect(grownBoxes(PICTURE, { left: 16, up: 0, right: 0, down: 8 })).toEqual([
    { x: 0, y: 0, width: 24, height: 72 },
    { x: 0, y: 56, width: 116, height: 16 },
  ])
})
