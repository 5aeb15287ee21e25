import { expect, test } from 'vitest'

import {
  crumbsOf,
  extensionOf,
  joinPath,
  parentOf,
  displayName,
  formatSize,
  stemLength,
  formatDuration,
  isWithin,
} from './paths'

test('paths are put together and taken apart', () => {
  expect(joinPath('/data/', 'a b.png')).toBe('/data/a b.png')
  expect(parentOf('/data/models/x')).toBe('/data/models')
  expect(parentOf('/data')).toBe('')
  expect(crumbsOf('/data/models').map(({ path }) => path)).toEqual(['/data', '/data/models'])
})

test('a folder of a longer name is another folder', () => {
  expect(isWithin('/data/models2', '/data/models')).toBe(false)
  expect(isWithin('/data/models/x', '/data/models')).toBe(true)
})

test('renaming selects what comes before the extension', () => {
  expect(stemLength('boat.tar.gz', false)).toBe(8)
  expect(stemLength('.hidden', false)).toBe(7)
  expect(stemLength('v1.5', true)).toBe(4)
  expect(extensionOf('A.PNG')).toBe('png')
  expect(extensionOf('.env')).toBe('')
})

test('sizes and times are short', () => {
  expect([0, 999, 1000, 7_240_000_000, 999_999, 12_345].map(formatSize)).toEqual([
    '0 B',
    '999 B',
    '1.0 KB',
    '7.2 GB',
    '1.0 MB',
    '12.3 KB',
  ])
  expect([9, 75, 3723].map(formatDuration)).toEqual(['0:09', '1:15', '1:02:03'])
})

test('letters that turn the reading direction are told', () => {
  expect(displayName('exe\u202egpj.scr')).toBe('exe‹U+202E›gpj.scr')
  expect(displayName('图 é.png')).toBe('图 é.png')
})
