import { expect, test } from 'vitest'

import { distance } from './geometry'
import { createStroke, curveDabs, dabSize, softStops } from './strokes'

test('a pen draws as wide as it is pressed', () => {
  expect(dabSize(40, 1)).toBe(40)
  expect(dabSize(40, 0.5)).toBeCloseTo(22)
  expect(dabSize(40, 0)).toBeCloseTo(4)
  expect(dabSize(40, 7)).toBe(40) // a device that says too much
  expect(dabSize(2, 0)).toBe(1) // never less than a pixel
})

test('dabs lie close on a curve that ends where it shall', () => {
  const dabs = curveDabs({ x: 0, y: 0, size: 10 }, { x: 20, y: 0, size: 15 }, { x: 20, y: 20, size: 20 })
  expect(dabs.at(-1)).toEqual({ x: 20, y: 20, size: 20 })
  const apart = dabs.slice(1).map((dab, at) => distance(dab, dabs[at]!))
  expect(Math.max(...apart)).toBeLessThanOrEqual(1.5)
  expect(dabs.every(({ x, y }) => x >= y)).toBe(true) // bent towards the corner
})

test('a stroke begins with a dab, rounds its corners and ends at the last point', () => {
  const stroke = createStroke()
  const at = (x: number, y: number) => ({ x, y, size: 10 })
  expect(stroke.extend(at(0, 0))).toEqual([at(0, 0)])
  expect(stroke.extend(at(0, 0))).toEqual([]) // a pointer that rests
  expect(stroke.extend(at(20, 0)).at(-1)).toEqual(at(10, 0))
  const turn = stroke.extend(at(20, 20))
  expect(turn.at(-1)).toEqual(at(20, 10))
  expect(Math.min(...turn.map((dab) => distance(dab, at(20, 0))))).toBeGreaterThan(3)
  expect(stroke.finish().at(-1)).toEqual(at(20, 20))
})

test('a tap is one dab', () => {
  const stroke = createStroke()
  expect(stroke.extend({ x: 1, y: 2, size: 3 })).toHaveLength(1)
  expect(stroke.finish()).toEqual([])
})

test('a soft brush fades from its core to its edge', () => {
  const stops = softStops(0.5, false)
  expect(stops[0]).toEqual([0.5, 1])
  expect(stops.at(-1)).toEqual([1, 0])
  const opacities = stops.map(([, opacity]) => opacity)
  expect(opacities).toEqual([...opacities].sort((a, b) => b - a))
  expect(softStops(0.5, true)[0]![1]).toBe(1)
  expect(softStops(0.5, true)[4]![1]).toBeLessThan(0.2) // six of them are the half of one
})
