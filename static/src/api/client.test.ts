import { expect, test } from 'vitest'

import { errorOf } from './client'

test('a list of fields is told by field', () => {
  const detail = [
    { loc: ['body', 'steps'], msg: 'at most 150', type: 'x' },
    { loc: ['body', 'steps'], msg: 'whole numbers only', type: 'x' },
    { loc: ['body', 'override_settings', 'sd_model_checkpoint'], msg: 'not there', type: 'x' },
  ]
  expect(errorOf(422, { detail }).fields).toEqual({
    steps: 'at most 150 whole numbers only',
    sd_model_checkpoint: 'not there',
  })
})

test('the envelope tells its sentence, whichever of its keys holds it', () => {
  expect(errorOf(500, { error: 'X', detail: '', body: '', errors: 'disk full' }).message).toBe('disk full')
  expect(errorOf(401, { error: 'X', detail: 'Not authenticated', errors: '' }).message).toBe('Not authenticated')
  expect(errorOf(502, null).message).toBe('')
})
