import { expect, test } from 'vitest'

import { createHistory } from './history'

function filled(most: number, ...sizes: number[]) {
  const history = createHistory<number>((size) => size, most)
  for (const size of sizes) history.push(size)
  return history
}

test('steps are undone from the latest and done again in order', () => {
  const history = filled(100, 1, 2, 3)
  expect([history.undo(), history.undo(), history.redo()]).toEqual([3, 2, 2])
  expect([history.undoable, history.redoable]).toEqual([2, 1])
  expect([history.redo(), history.redo()]).toEqual([3, null])
  expect([history.undo(), history.undo(), history.undo(), history.undo()]).toEqual([3, 2, 1, null])
})

test('a new step drops what was undone', () => {
  const history = filled(100, 1, 2)
  history.undo()
  history.push(4)
  expect(history.redo()).toBeNull()
  expect([history.undo(), history.undo()]).toEqual([4, 1])
})

test('the oldest steps go where the memory ends, never the latest', () => {
  const history = filled(10, 4, 4, 4)
  expect(history.undoable).toBe(2)
  history.push(50)
  expect(history.undoable).toBe(1)
  expect(history.undo()).toBe(50)
})

test('nothing is left after clearing', () => {
  const history = filled(10, 1, 2)
  history.undo()
  expect([history.some((step) => step === 2), history.some((step) => step === 3)]).toEqual([true, false])
  history.clear()
  expect([history.undo(), history.redo()]).toEqual([null, null])
})
