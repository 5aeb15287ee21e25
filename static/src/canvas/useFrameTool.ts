/** Dragging the frame beyond the picture. */
import type { CanvasDocument } from './document'
import type { Box, Point, View } from './geometry'
import { dragGrowth, grownSize, handleAt, type Growth, type Handle } from './growth'

const REACH = 18 // pixels of the screen around a handle
const KEY_STEP = 64 // pixels of the picture

/** `show` draws the frame while it is dragged, in pixels of the document. */
export function useFrameTool(drawing: CanvasDocument, show: (frame: Box) => void) {
  let drag: { handle: Handle; from: Point; next: Growth } | null = null

  function pictureSize() {
    const { naturalWidth: width, naturalHeight: height } = drawing.picture!
    return { width, height }
  }

  /** False where there is no handle. */
  function begin(at: Point, view: View): boolean {
    const handle = handleAt(at, view, drawing.size, REACH)
    if (!handle) return false
    drag = { handle, from: at, next: drawing.growth }
    return true
  }

  function extend(at: Point, { scale }: View) {
    if (!drag) return
    const by = { x: (at.x - drag.from.x) / scale, y: (at.y - drag.from.y) / scale }
    drag.next = dragGrowth(drawing.growth, drag.handle, by, pictureSize())
    const { left, up } = drawing.growth
    show({ x: left - drag.next.left, y: up - drag.next.up, ...grownSize(pictureSize(), drag.next) })
  }

  function grow(next: Growth) {
    const old = drawing.growth
    if (next.left !== old.left || next.right !== old.right || next.up !== old.up || next.down !== old.down)
      drawing.grow(next)
  }

  return {
    begin,
    extend,
    finish() {
      if (drag) grow(drag.next)
      drag = null
    },
    cancel: () => (drag = null),
    /** By keys: towards a side, or back from it. */
    step(x: number, y: number, back: boolean) {
      const by = back ? -KEY_STEP : KEY_STEP
      const handle = { x: Math.sign(x), y: Math.sign(y) } as Handle
      grow(dragGrowth(drawing.growth, handle, { x: handle.x * by, y: handle.y * by }, pictureSize()))
    },
  }
}
