import { expect, test } from 'vitest'

import rows from '../../locales/fieldHelp.json'
import { findHelp, helpKey } from './helpTable'

const SOURCES = import.meta.glob<string>(['../**/*.vue', '../generation/*.ts'], {
  query: '?raw',
  import: 'default',
  eager: true,
})

test('a field is found in either section, and in any ControlNet unit', () => {
  expect(findHelp(rows, 'txt2img_batch_count', 'en')?.name).toBe('Batch count')
  expect(findHelp(rows, 'img2img_inpainting_fill', 'zh')).toEqual({
    name: 'Masked content',
    text: '绘制前蒙版内的内容。',
  })
  expect(helpKey('img2img_controlnet_ControlNet-1_weight')).toBe('control_weight')
  expect([
    findHelp(rows, 'style_name', 'en'),
    findHelp(rows, undefined, 'en'),
    findHelp(null, 'seed', 'en'),
  ]).toEqual([null, null, null])
})

test('every help stands in both languages, and at a field that there is', () => {
  const sources = Object.values(SOURCES).join('\n')
  for (const [key, { name, en, zh }] of Object.entries(rows)) {
    expect(name && en, key).not.toBe('')
    expect(zh, key).toMatch(/\p{Script=Han}/u)
    const id = key.replace(/^(control|soft)_/, '')
    expect(sources.includes(id), key).toBe(true)
  }
})
