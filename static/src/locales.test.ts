import { expect, test } from 'vitest'

import accountEn from '../locales/account/en.json'
import accountZh from '../locales/account/zh.json'
import pageEn from '../locales/en.json'
import pageZh from '../locales/zh.json'

const [en, zh] = [
  { ...pageEn, ...accountEn },
  { ...pageZh, ...accountZh },
]

const SOURCES = import.meta.glob<string>(['./**/*.vue', './**/*.ts', '!./**/*.test.ts'], {
  query: '?raw',
  import: 'default',
  eager: true,
})

function keys(words: object, above = ''): string[] {
  return Object.entries(words).flatMap(([key, value]) =>
    typeof value === 'object' ? keys(value as object, `${above}${key}.`) : [above + key],
  )
}

test('every sentence stands in every language', () => {
  expect(keys(zh)).toEqual(keys(en))
})

test('every sentence that the page says is there', () => {
  const known = new Set(keys(en))
  const keysInUse = Object.values(SOURCES).flatMap((source) =>
    [...source.matchAll(/\bt\(\s*'([\w.]+)'/g)].map((match) => match[1]!),
  )
  expect(keysInUse.length).toBeGreaterThan(100)
  expect(keysInUse.filter((key) => !known.has(key))).toEqual([])
})
