import { expect, test } from 'vitest'

import { newUnit } from '../generation/controlUnits'
import { applyControlMap } from './controlMap'

const units = [newUnit(), { ...newUnit(), on: true, module: 'canny', image: 'data:,photo' }]

test('a unit takes its map from the canvas, without a preprocessor', () => {
  const [first, second] = applyControlMap(units, { unit: 1, uri: 'data:,map' }, 'data:,painted')
  expect(first).toBe(units[0])
  expect(second).toMatchObject({ on: true, module: 'none', image: 'data:,painted' })
})

test('a hidden map is not sent', () => {
  expect(applyControlMap(units, { unit: 1, uri: 'data:,map' }, null)[1]!.on).toBe(false)
})

test('without a map the units are as they are set', () => {
  expect(applyControlMap(units, null, null)).toEqual(units)
})
