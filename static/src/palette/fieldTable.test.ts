import { expect, test } from 'vitest'

import en from '../../locales/en.json'
import { FIELD_TABLE, fieldsOf } from './fieldTable'

const SOURCES = Object.values(
  import.meta.glob<string>(['../**/*.vue'], { query: '?raw', import: 'default', eager: true }),
).join('\n')

test.each(FIELD_TABLE)('$id is an element of the page, with a label', ({ id, label, fold }) => {
  const [group, key] = label.split('.') as ['field', 'steps']
  expect(en[group][key]).toBeTruthy()
  for (const name of [id, fold ?? id]) {
    expect(SOURCES).toContain(
      name.startsWith('KIND') ? `\`${name.replace('KIND', '${kind}')}\`` : `id="${name}"`,
    )
  }
})

test('each section has its own fields', () => {
  const ids = (kind: 'txt2img' | 'img2img') => fieldsOf(kind).map(({ id }) => id)
  expect(ids('txt2img')).toContain('txt2img_steps')
  expect(ids('txt2img')).not.toContain('img2img_mask_blur')
  expect(ids('img2img')).toContain('img2img_mask_blur')
  expect(new Set(ids('img2img')).size).toBe(ids('img2img').length)
  expect(fieldsOf('img2img').find(({ id }) => id === 'img2img_switch_at')?.fold).toBe('img2img_refiner')
})
