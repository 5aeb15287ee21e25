import { expect, test } from 'vitest'
import { reactive } from 'vue'

import { turnOnByUse } from './turnOn'

test('a part is turned on by a field that is changed, and by nothing else', () => {
  const fields = reactive({ on: false, scale: 2 })
  const used = turnOnByUse(fields)
  used.scale = 2
  expect(fields.on).toBe(false)
  used.scale = 3
  expect(fields).toEqual({ on: true, scale: 3 })
  used.on = false
  expect(fields.on).toBe(false)
})
