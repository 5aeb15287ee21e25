import { expect, test } from 'vitest'

import { addPoint, createFailure, readLoss, type LossPoint } from './training'

test('the loss is read from what the service says', () => {
  expect([readLoss('Training; loss 0.1234'), readLoss('In queue: 1/2'), readLoss(null)]).toEqual([
    0.1234,
    null,
    null,
  ])
})

test('a curve stays short, keeps its ends, and has each step once', () => {
  let curve: LossPoint[] = []
  for (let step = 1; step <= 1000; step += 1) curve = addPoint(curve, [step, 1 / step], 50)
  expect(curve.length).toBeLessThanOrEqual(50)
  expect([curve[0]![0], curve.at(-1)![0]]).toEqual([1, 1000])
  expect(addPoint(curve, [1000, 5], 50)).toEqual(curve)
})

test('what was not made is told', () => {
  expect(createFailure('create embedding error: it is there')).toBe('it is there')
  expect(createFailure('create embedding filename: /data/x.pt')).toBe('')
})
