import { expect, test } from 'vitest'

import { describeEntry } from './entryFacts'
import type { Item } from './useListing'

const file = { name: 'a.png', size: 2000, modified: 1_700_000_000 } as Item

test('an entry is described by size and date, a folder by its date', () => {
  expect(describeEntry(file, 'en')).toMatch(/^2.0 KB, .*2023/)
  expect(describeEntry({ ...file, size: null }, 'zh')).toMatch(/^2023年/)
})
