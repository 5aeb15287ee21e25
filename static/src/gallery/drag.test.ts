import { expect, test } from 'vitest'

import { droppedPaths, holdsPictures, startDrag } from './drag'

function carried(): DataTransfer {
  const held = new Map<string, string>()
  return {
    setData: (type: string, text: string) => held.set(type, text),
    getData: (type: string) => held.get(type) ?? '',
    get types() {
      return [...held.keys()]
    },
  } as unknown as DataTransfer
}

test('dragged paths arrive where they are dropped', () => {
  const dataTransfer = carried()
  expect(holdsPictures({ dataTransfer })).toBe(false)
  startDrag({ dataTransfer } as DragEvent, ['/data/outputs/a.png'])
  expect(holdsPictures({ dataTransfer })).toBe(true)
  expect(droppedPaths({ dataTransfer })).toEqual(['/data/outputs/a.png'])
})

test('something else that is dropped holds no paths', () => {
  expect(droppedPaths({ dataTransfer: null })).toEqual([])
  expect(droppedPaths({ dataTransfer: carried() })).toEqual([])
})
