import { expect, test } from 'vitest'

import { createGestures, type Pointer } from './gestures'

/** Gestures with the log of what they did. */
function recorded() {
  const log: string[] = []
  const point = ({ x, y }: { x: number; y: number }) => `${x},${y}`
  const gestures = createGestures({
    begin: (at) => log.push(`begin ${point(at)} ${at.pressure}`),
    extend: (at) => log.push(`extend ${point(at)}`),
    finish: () => log.push('finish'),
    cancel: () => log.push('cancel'),
    pan: (by) => log.push(`pan ${point(by)}`),
    zoom: (factor, around) => log.push(`zoom ${factor} ${point(around)}`),
  })
  return { log, ...gestures }
}

function pointer(id: number, x: number, y: number, more: Partial<Pointer> = {}): Pointer {
  return { id, x, y, type: 'mouse', pressure: 1, button: 0, moves: false, ...more }
}
const finger = (id: number, x: number, y: number) => pointer(id, x, y, { type: 'touch' })

test('a drag paints, moving without a button does not', () => {
  const { log, down, move, up } = recorded()
  move(pointer(1, 0, 0))
  down(pointer(1, 1, 1))
  move(pointer(1, 2, 2))
  up({ id: 1 })
  move(pointer(1, 3, 3))
  expect(log).toEqual(['begin 1,1 1', 'extend 2,2', 'finish'])
})

test('the middle button, or a key, moves the picture; the right button does nothing', () => {
  const { log, down, move, up } = recorded()
  down(pointer(1, 5, 5, { button: 1 }))
  move(pointer(1, 8, 4))
  up({ id: 1 })
  down(pointer(1, 0, 0, { moves: true }))
  move(pointer(1, 1, 0))
  up({ id: 1 })
  down(pointer(1, 0, 0, { button: 2 }))
  expect(log).toEqual(['pan 3,-1', 'pan 1,0'])
})

test('a second finger takes the stroke back, then both move and zoom', () => {
  const { log, down, move, up } = recorded()
  down(finger(1, 0, 0))
  down(finger(2, 10, 0))
  move(finger(2, 20, 0))
  up({ id: 1 })
  move(finger(2, 30, 0)) // the finger that is left paints nothing
  up({ id: 2 })
  down(finger(3, 1, 1))
  up({ id: 3 })
  expect(log).toEqual(['begin 0,0 1', 'cancel', 'pan 5,0', 'zoom 2 10,0', 'begin 1,1 1', 'finish'])
})

test('once a pen was seen, a hand on the glass paints nothing', () => {
  const { log, down, move, up } = recorded()
  down(pointer(1, 4, 4, { type: 'pen', pressure: 0.3 }))
  down(finger(2, 50, 50))
  down(finger(4, 70, 50))
  move(finger(2, 60, 60))
  up({ id: 4 })
  move(pointer(1, 5, 5, { type: 'pen' }))
  up({ id: 1 })
  up({ id: 2 })
  down(finger(3, 0, 0))
  move(finger(3, 2, 0))
  expect(log).toEqual(['begin 4,4 0.3', 'extend 5,5', 'finish', 'pan 2,0'])
})

test('a stroke that the system takes is taken back', () => {
  const { log, down, lose } = recorded()
  down(finger(1, 0, 0))
  lose({ id: 1 })
  expect(log).toEqual(['begin 0,0 1', 'cancel'])
})
