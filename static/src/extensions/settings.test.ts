import { expect, test } from 'vitest'

import type { Setting } from './api'
import { kindOf, fromFieldValue, toFieldValue } from './settings'

const setting = (usual: unknown, given: Partial<Setting> = {}): Setting => ({
  name: 's',
  value: usual,
  default: usual,
  help: '',
  choices: [],
  least: null,
  most: null,
  ...given,
})

test('the kind of the default says how a setting is drawn', () => {
  expect([true, 1.5, 'x', ['a'], { a: 1 }, null].map((usual) => kindOf(setting(usual)))).toEqual([
    'switch',
    'number',
    'text',
    'words',
    'json',
    'json',
  ])
  expect(kindOf(setting('a', { choices: ['a', 'b'] }))).toBe('choice')
  const several = setting(['a'], { choices: ['a', 'b'] })
  expect(kindOf(several)).toBe('several')
  expect(fromFieldValue(several, toFieldValue(several))).toEqual(['a'])
})

test('words and objects come back as they were written', () => {
  for (const value of [['hentai', 'porn'], { ann: { off: true } }, null]) {
    const one = setting(value)
    expect(fromFieldValue(one, toFieldValue(one))).toEqual(value)
  }
  expect(fromFieldValue(setting(['a']), ' a, ,b ')).toEqual(['a', 'b'])
  expect(() => fromFieldValue(setting({}), '{')).toThrow(SyntaxError)
})
