import { expect, test } from 'vitest'

import en from '../../locales/en.json'
import zh from '../../locales/zh.json'
import { toApiError, type Refusal } from '../api/client'
import { byControl, controlKey, explain, hasRefused, labelOf, type Translate } from './refusals'

const translate =
  (words: object): Translate =>
  (key, values = {}) => {
    const text = key.split('.').reduce<unknown>((at, part) => (at as Record<string, unknown>)[part], words)
    return String(text).replace(/\{(\w+)\}/g, (_, name: string) => values[name]!)
  }
const [inEnglish, inChinese] = [translate(en), translate(zh)]

const refusal = (code: string, field = '', values: Record<string, unknown> = {}): Refusal => ({
  code,
  field,
  values,
  sentence: 'As the service says it.',
})

test('limits are told in the language of the reader', () => {
  const tall = refusal('out_of_range', 'height', { value: 9000, least: 8, most: 4096 })
  expect(explain(tall, inEnglish)).toBe('9000 is out of range: from 8 to 4096.')
  expect(explain(tall, inChinese)).toBe('9000 超出范围：应为 8 到 4096。')
  const open = refusal('out_of_range', 'mask_blur', { value: 900, least: null, most: 256 })
  expect(explain(open, inEnglish)).toBe('900 is too large: at most 256.')
  expect(explain(refusal('out_of_range', 's', { value: -1, least: 0 }), inChinese)).toContain('至少为 0')
})

test('what has no words here, or lacks a value, is told by the service', () => {
  expect(explain(refusal('unheard_of'), inChinese)).toBe('As the service says it.')
  expect(explain(refusal('too_many', 'prompt', { most: 5 }), inChinese)).toBe('As the service says it.')
  expect(explain(refusal('wrong_architecture'), inEnglish)).toBe('As the service says it.')
  expect(explain(refusal('wrong_architecture'), inChinese)).toContain('另一种架构')
})

test('long lists are cut', () => {
  const known = Array.from({ length: 30 }, (_, at) => `n${at}`)
  const text = explain(refusal('unknown_name', 'sampler_name', { value: 'x', known }), inEnglish)
  expect(text).toMatch(/“x”.*n9, …/)
  expect(text).not.toContain('n10')
})

test('controls find their errors by the names of the API', () => {
  expect(controlKey(refusal('unknown_name', 'sampler_index'))).toBe('sampler_name')
  expect(controlKey(refusal('model_not_found', 'alwayson_scripts.sd_vae'))).toBe('sd_vae')
  expect(controlKey(refusal('unknown_name', 'override_settings.sd_vae'))).toBe('sd_vae')
  const unit = 'alwayson_scripts.controlnet'
  expect(controlKey(refusal('no_picture', unit, { unit: 1 }))).toBe(`${unit}.args.1.image`)
  expect(controlKey(refusal('model_not_found', unit, { unit: 0 }))).toBe(`${unit}.args.0.model`)
  expect(controlKey(refusal('model_not_found', unit, { unit: 0, other: 'module' }))).toBe(
    `${unit}.args.0.module`,
  )
  expect(controlKey(refusal('wrong_type', 'script_args', { label: 'Steps' }))).toBe('script_args:steps')
})

test('several refusals stand by their controls', () => {
  const errors = byControl(
    [
      refusal('null_value', 'width'),
      refusal('out_of_range', 'alwayson_scripts.detailer.blur', { value: 99, least: 0, most: 64 }),
      refusal('draining', '', { wait: 30 }),
    ],
    inEnglish,
  )
  expect(Object.keys(errors)).toEqual(['width', 'alwayson_scripts.detailer.blur'])
  expect(hasRefused(errors, 'alwayson_scripts.detailer')).toBe(true)
  expect(hasRefused(errors, 'alwayson_scripts.detail', 'height')).toBe(false)
})

test('fields are called as the page calls them', () => {
  expect(labelOf(refusal('x', 'steps'), inChinese)).toBe(zh.field.steps)
  expect(labelOf(refusal('x', 'hr_scale'), inEnglish)).toBe('Hires fix · Upscale by')
  expect(labelOf(refusal('x', 'alwayson_scripts.controlnet.args.1.weight'), inEnglish)).toBe(
    'ControlNet · Unit 2 · Weight',
  )
  expect(labelOf(refusal('x', 'script_args.2', { label: 'Loops' }), inEnglish)).toBe('Script · Loops')
  expect(labelOf(refusal('x', 's_churn'), inEnglish)).toBe('s_churn')
})

test('answers say code, field and values', () => {
  const sentence = 'width: 9000 is out of range; it must be from 8 to 4096.'
  const values = { value: 9000, least: 8, most: 4096 }
  const envelope = { error: 'HTTPException', detail: sentence, body: '', errors: sentence }
  const [wide] = toApiError(422, { ...envelope, code: 'out_of_range', field: 'width', values }).refusals
  expect(wide).toEqual({
    code: 'out_of_range',
    field: 'width',
    values,
    sentence: '9000 is out of range; it must be from 8 to 4096.',
  })
  const detail = ['steps', 'width'].map((name) => ({ loc: ['body', name], msg: `bad ${name}`, type: 'x' }))
  const others = [{ code: 'wrong_type', field: 'width', values: {} }]
  const faults = toApiError(422, { detail, code: 'wrong_type', field: 'steps', values: {}, others })
  expect(faults.refusals.map(({ field, sentence: told }) => [field, told])).toEqual([
    ['steps', 'bad steps'],
    ['width', 'bad width'],
  ])
  expect(faults.fields).toEqual({ steps: 'bad steps', width: 'bad width' })
  expect(toApiError(502, null).refusals).toEqual([])
})
