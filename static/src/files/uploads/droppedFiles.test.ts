import { expect, test } from 'vitest'

import { readDrop, readFileList } from './droppedFiles'

const file = (name: string) => new File([name], name)
const fileEntry = (name: string) => ({
  name,
  isFile: true,
  file: (give: (file: File) => void) => give(file(name)),
})

/** A folder whose reader gives its entries one by one, and then none. */
function folderEntry(name: string, children: object[]) {
  const left = [...children]
  const readEntries = (give: (entries: object[]) => void) => give(left.splice(0, 1))
  return { name, isFile: false, createReader: () => ({ readEntries }) }
}
const transferOf = (...entries: (object | null)[]) =>
  ({
    items: [
      { kind: 'string' },
      ...entries.map((entry) => ({
        kind: 'file',
        webkitGetAsEntry: () => entry,
        getAsFile: () => file('plain.txt'),
      })),
    ],
  }) as unknown as DataTransfer

test('dropped folders are read with all below them', async () => {
  const inner = folderEntry('b', [fileEntry('2.png'), fileEntry('3.png')])
  const files = await readDrop(transferOf(fileEntry('0.png'), folderEntry('a', [fileEntry('1.png'), inner])))
  expect(files.map(({ file, inner }) => [file.name, inner])).toEqual([
    ['0.png', ''],
    ['1.png', 'a'],
    ['2.png', 'a/b'],
    ['3.png', 'a/b'],
  ])
})

test('a browser that tells no entries gives plain files', async () => {
  const files = await readDrop(transferOf(null))
  expect(files.map(({ file, inner }) => [file.name, inner])).toEqual([['plain.txt', '']])
})

test('picked files keep the folders that they lay in', () => {
  const one = Object.assign(file('1.png'), { webkitRelativePath: 'a/b/1.png' })
  const other = Object.assign(file('2.png'), { webkitRelativePath: '' })
  expect(readFileList([one, other]).map(({ inner }) => inner)).toEqual(['a/b', ''])
})
