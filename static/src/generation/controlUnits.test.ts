import { expect, test } from 'vitest'

import { newUnit, toApiUnit } from './controlUnits'

test('a unit is sent under the names of the API, without a picture where it has none', () => {
  const unit = { ...newUnit(), on: true, module: 'canny', a: 100, start: 0.2 }
  expect(toApiUnit(unit)).toMatchObject({
    enabled: true,
    module: 'canny',
    threshold_a: 100,
    guidance_start: 0.2,
  })
  expect('image' in toApiUnit(unit)).toBe(false)
  expect(toApiUnit({ ...unit, image: 'data:,' }).image).toBe('data:,')
})
