import { expect, test } from 'vitest'

import en from '../locales/en.json'
import zh from '../locales/zh.json'

function keys(words: object, above = ''): string[] {
  return Object.entries(words).flatMap(([key, value]) =>
    typeof value === 'object' ? keys(value as object, `${above}${key}.`) : [above + key],
  )
}

test('every sentence stands in every language', () => {
  expect(keys(zh)).toEqual(keys(en))
})
