import { expect, test } from 'vitest'

import { createDefaults, fillMissing, type Fields } from './useFields'

test('defaults are a copy each time', () => {
  const fields = createDefaults()
  fields.soft.numbers[0] = 99
  expect(createDefaults().soft.numbers[0]).not.toBe(99)
})

test('what an earlier version stored keeps its values and gets the new fields', () => {
  const stored = { prompt: 'a cat', hires: { on: true }, soft: 'damaged' } as unknown as Partial<Fields>
  const fields = fillMissing(stored, createDefaults())
  expect(fields.prompt).toBe('a cat')
  expect(fields.hires).toEqual({ ...createDefaults().hires, on: true })
  expect(fields.soft).toEqual(createDefaults().soft)
  expect(fields.steps).toBe(createDefaults().steps)
})
