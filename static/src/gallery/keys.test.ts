import { expect, test } from 'vitest'

import { actionOfKey } from './keys'

function press(key: string, code = '', held: Partial<KeyboardEvent> = {}) {
  return actionOfKey({ key, code, shiftKey: false, ctrlKey: false, metaKey: false, altKey: false, ...held })
}

test('letters act on a picture, in either case', () => {
  expect(press('s')).toEqual({ act: 'star' })
  expect(press('X')).toEqual({ act: 'reject' })
  expect(press('Enter')).toEqual({ act: 'open' })
  expect(press(' ')).toEqual({ act: 'mark' })
  expect(press('q')).toBeNull()
})

test('1 to 9 pick, with Shift 0 to 5 give stars', () => {
  expect(press('1', 'Digit1')).toEqual({ act: 'pick', number: 0 })
  expect(press('9', 'Numpad9')).toEqual({ act: 'pick', number: 8 })
  expect(press('0', 'Digit0')).toBeNull()
  expect(press('#', 'Digit3', { shiftKey: true })).toEqual({ act: 'stars', stars: 3 })
  expect(press(')', 'Digit0', { shiftKey: true })).toEqual({ act: 'stars', stars: 0 })
  expect(press('^', 'Digit6', { shiftKey: true })).toBeNull()
})

test("the browser's own keys stay its own", () => {
  expect(press('c', 'KeyC', { ctrlKey: true })).toBeNull()
  expect(press('s', 'KeyS', { metaKey: true })).toBeNull()
  expect(press('1', 'Digit1', { altKey: true })).toBeNull()
})
