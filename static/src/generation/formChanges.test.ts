import { expect, test } from 'vitest'

import { newUnit } from './controlUnits'
import { findChanges, revertFold } from './formChanges'
import { createDefaults } from './useFields'

test('a first visit has no changes', () => {
  for (const kind of ['txt2img', 'img2img'] as const) {
    const { fields, folds } = findChanges(kind, createDefaults(), [newUnit()])
    expect([...fields]).toEqual([])
    expect(folds).toEqual({})
  }
})

test('changed fields are told by their elements, and counted by their folds', () => {
  const fields = createDefaults()
  fields.steps = 30
  fields.hires.scale = 3
  fields.hires.sampler = 'Euler'
  fields.refiner.switchAt = 0.5
  fields.soft.numbers[1] = 4
  const units = [newUnit(), { ...newUnit(), on: true }]
  const changes = findChanges('txt2img', fields, units)
  expect([...changes.fields].sort()).toEqual([
    'soft_preservation',
    'txt2img_hr_sampler',
    'txt2img_hr_scale',
    'txt2img_steps',
    'txt2img_switch_at',
  ])
  expect(changes.folds).toEqual({
    txt2img_hr: 2,
    txt2img_refiner: 1,
    soft_inpainting: 1,
    txt2img_controlnet: 1,
  })
})

test('a fold is reverted with its switch, and no other', () => {
  const fields = createDefaults()
  Object.assign(fields.hires, { on: true, scale: 3 })
  Object.assign(fields.refiner, { on: true, switchAt: 0.4 })
  fields.tiling = true
  const units = [{ ...newUnit(), weight: 2 }]
  const hires = revertFold('txt2img', 'txt2img_hr', fields, units)
  expect(hires.fields.hires).toEqual(createDefaults().hires)
  expect(hires.fields.refiner.on).toBe(true)
  expect(hires.units).toBe(units)
  expect(fields.hires.on).toBe(true)
  expect(revertFold('img2img', 'img2img_refiner', fields, units).fields.refiner).toEqual(
    createDefaults().refiner,
  )
  expect(revertFold('img2img', 'img2img_advanced', fields, units).fields.tiling).toBe(false)
  expect(revertFold('img2img', 'img2img_controlnet', fields, units).units).toEqual([newUnit()])
})
