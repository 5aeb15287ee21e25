import { expect, test } from 'vitest'

import { nameEntry } from './entryFacts'
import type { Item } from './useListing'

const file = { name: 'a.png', kind: 'image', size: 2000, modified: 1_700_000_000 } as Item

test('the name of an entry begins with what one reads of it', () => {
  expect(nameEntry(file, 'list', 'en', 'folder')).toMatch(/^a\.png 2\.0 KB 1\d Nov 2023/)
  expect(nameEntry(file, 'gallery', 'en', 'folder')).toBe('a.png')
  const folder: Item = { ...file, name: 'a', kind: 'folder', size: null }
  expect(nameEntry(folder, 'list', 'zh', '文件夹')).toMatch(/^a 2023年.*, 文件夹$/)
})
