import { expect, test } from 'vitest'

import { newUnit } from '../generation/controlUnits'
import { createDefaults } from '../generation/useFields'
import { fromPresetForm, shippedForm, toPresetForm } from './forms'

const form = () => {
  const fields = createDefaults()
  Object.assign(fields, { prompt: 'a boat', steps: 7, checkpoint: 'sd', width: 512 })
  fields.hires.on = true
  fields.script.given = { 'X/Y/Z plot': [1, ['a']] }
  return { fields, units: [{ ...newUnit(), on: true, image: 'data:x', weight: 0.5 }, newUnit()] }
}

test('a form comes back whole but for the pictures of ControlNet', () => {
  const before = form()
  const back = fromPresetForm(JSON.parse(JSON.stringify(toPresetForm(before))), 2)
  expect(back.fields).toEqual(before.fields)
  expect(back.units).toEqual([{ ...before.units[0], image: null }, newUnit()])
  expect(before.units[0]!.image).toBe('data:x')
})

test('there are as many units as the form has', () => {
  expect(fromPresetForm(toPresetForm(form()), 3).units).toHaveLength(3)
  expect(fromPresetForm(toPresetForm(form()), 1).units).toHaveLength(1)
})

test.each([null, 7, 'x', [], { fields: [] }, { fields: null, units: {} }])(
  '%j is an untouched form',
  (kept) => {
    expect(fromPresetForm(kept, 1)).toEqual({ fields: createDefaults(), units: [newUnit()] })
  },
)

test('what does not fit is as at first', () => {
  const kept = {
    fields: {
      steps: '7',
      prompt: null,
      width: {},
      hires: { on: 'yes', scale: 3, more: 1 },
      odd: 1,
      styles: 'a',
    },
    units: [{ weight: 'x', module: 'canny' }, 3],
  }
  const { fields, units } = fromPresetForm(kept, 2)
  const expected = createDefaults()
  expected.hires.scale = 3
  expect(fields).toEqual(expected)
  expect(units).toEqual([{ ...newUnit(), module: 'canny' }, newUnit()])
})

test('a shipped one leaves the model alone and resets the rest', () => {
  const now = form()
  now.fields.clipSkip = 2
  const { fields, units } = shippedForm({ prompt: 'a star', steps: 12 }, now)
  expect(fields).toEqual({ ...createDefaults(), checkpoint: 'sd', clipSkip: 2, prompt: 'a star', steps: 12 })
  expect(units).toEqual([newUnit(), newUnit()])
})
