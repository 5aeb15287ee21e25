/**
 * What pointers mean: painting, moving the picture, or two fingers that move and zoom. Once a pen
 * was seen, one finger moves the picture, since a hand rests on the glass.
 */
import { distance, middle, type Point } from './geometry'

/** A pointer event, in pixels of the screen from the canvas's corner. */
export interface Pointer extends Point {
  id: number
  type: string // mouse | pen | touch
  pressure: number // 0..1
  button: number
  moves: boolean // a key says that it moves the picture
}

export interface GestureActions {
  begin(at: Pointer): void
  extend(at: Pointer): void
  finish(): void
  cancel(): void
  pan(by: Point): void
  zoom(factor: number, around: Point): void
}

const MIDDLE_BUTTON = 1
export const PEN_ERASER = 5 // the other end of a pen

export function createGestures(actions: GestureActions) {
  const touches = new Map<number, Point>()
  let painting: Pointer | null = null // the pointer that paints, where it began
  let moving: { id: number; at: Point } | null = null
  let penSeen = false

  function down(pointer: Pointer) {
    penSeen ||= pointer.type === 'pen'
    if (pointer.type === 'touch') {
      touches.set(pointer.id, pointer)
      if (touches.size > 1 && painting?.type !== 'pen') return beginPinch()
    }
    if (painting) return
    const finger = pointer.type === 'touch' && penSeen
    if (pointer.moves || pointer.button === MIDDLE_BUTTON || finger) {
      moving = { id: pointer.id, at: pointer }
    } else if (pointer.button === 0 || pointer.button === PEN_ERASER) {
      painting = pointer
      actions.begin(pointer)
    }
  }

  function beginPinch() {
    if (painting) actions.cancel()
    painting = null
    moving = null
  }

  function move(pointer: Pointer) {
    if (touches.has(pointer.id)) {
      const before = [...touches.values()]
      touches.set(pointer.id, pointer)
      if (touches.size > 1 && !painting) return pinch(before, [...touches.values()])
    }
    if (pointer.id === painting?.id) actions.extend(pointer)
    if (pointer.id !== moving?.id) return
    actions.pan({ x: pointer.x - moving.at.x, y: pointer.y - moving.at.y })
    moving.at = pointer
  }

  function pinch([a, b]: Point[], [c, d]: Point[]) {
    const [from, to] = [middle(a!, b!), middle(c!, d!)]
    actions.pan({ x: to.x - from.x, y: to.y - from.y })
    actions.zoom(distance(c!, d!) / Math.max(distance(a!, b!), 1), to)
  }

  function up({ id }: Pick<Pointer, 'id'>) {
    touches.delete(id)
    if (id === moving?.id) moving = null
    if (id !== painting?.id) return
    painting = null
    actions.finish()
  }

  /** The system took the pointer, as for a gesture of its own. */
  function lose({ id }: Pick<Pointer, 'id'>) {
    if (id === painting?.id) {
      painting = null
      actions.cancel()
    }
    up({ id })
  }

  return { down, move, up, lose }
}
