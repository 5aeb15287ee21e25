import { expect, test } from 'vitest'

import { getDraggedPaths, hasDraggedFiles, hasDraggedPaths, startDrag } from './dragAndDrop'

function fakeTransfer(...others: string[]) {
  const data = new Map<string, string>()
  return {
    effectAllowed: 'none',
    get types() {
      return [...data.keys(), ...others]
    },
    setData: (type: string, text: string) => void data.set(type, text),
    getData: (type: string) => data.get(type) ?? '',
  } as unknown as DataTransfer
}
const eventOf = (dataTransfer: DataTransfer | null) => ({ dataTransfer }) as DragEvent

test('dragged paths arrive as they were', () => {
  const transfer = fakeTransfer()
  expect(hasDraggedPaths(eventOf(transfer))).toBe(false)
  startDrag(transfer, ['/data/a b', '/data/ü'])
  expect(transfer.effectAllowed).toBe('copyMove')
  expect(hasDraggedPaths(eventOf(transfer))).toBe(true)
  expect(hasDraggedFiles(eventOf(transfer))).toBe(false)
  expect(getDraggedPaths(eventOf(transfer))).toEqual(['/data/a b', '/data/ü'])
})

test('files of the computer are told from paths, and nothing is no path', () => {
  expect(hasDraggedFiles(eventOf(fakeTransfer('Files')))).toBe(true)
  expect(getDraggedPaths(eventOf(fakeTransfer('Files')))).toEqual([])
  expect([hasDraggedFiles, hasDraggedPaths].map((has) => has(eventOf(null)))).toEqual([false, false])
})
