/** Rubber-band selection with the mouse. */
import { onScopeDispose, ref, type Ref } from 'vue'

const MIN_DISTANCE = 5 // pixels before a press becomes a frame
const EDGE = 36 // pixels from which on the list scrolls along

export interface Box {
  left: number // pixels from the top left of the whole list
  top: number
  right: number
  bottom: number
}

type BoxStyle = { left: string; top: string; width: string; height: string }

/** `onBox` gets the frame, and the paths that stay selected (Ctrl). */
export function useRubberBand(
  scroller: Readonly<Ref<HTMLElement | null>>,
  onBox: (box: Box, keep: Iterable<string>) => void,
  selected: () => ReadonlySet<string>,
) {
  const box = ref<BoxStyle | null>(null)
  let start: { x: number; y: number } | null = null
  let keep: Iterable<string> = []
  let pointer = { x: 0, y: 0 }
  let isDrawing = false
  let frame = 0

  function toListPosition(event: { clientX: number; clientY: number }) {
    const element = scroller.value!
    const { left, top } = element.getBoundingClientRect()
    return { x: event.clientX - left + element.scrollLeft, y: event.clientY - top + element.scrollTop }
  }

  /** Start a frame, unless on an element that is dragged itself. */
  function onPress(event: PointerEvent) {
    isDrawing = false
    const draggable = (event.target as HTMLElement).closest('[draggable=true], input, .tick')
    const onBar = event.offsetX > (scroller.value?.clientWidth ?? 0) && event.target === scroller.value
    if (event.pointerType !== 'mouse' || event.button !== 0 || event.shiftKey || draggable || onBar) return
    start = toListPosition(event)
    keep = event.ctrlKey || event.metaKey ? [...selected()] : []
    window.addEventListener('pointermove', move)
    window.addEventListener('pointerup', end, { once: true })
  }

  function move(event: PointerEvent) {
    pointer = { x: event.clientX, y: event.clientY }
    const now = toListPosition(event)
    if (!isDrawing && Math.hypot(now.x - start!.x, now.y - start!.y) < MIN_DISTANCE) return
    isDrawing = true
    draw()
    if (!frame) frame = requestAnimationFrame(scroll)
  }

  function draw() {
    const now = toListPosition({ clientX: pointer.x, clientY: pointer.y })
    const rectangle = {
      left: Math.min(start!.x, now.x),
      top: Math.min(start!.y, now.y),
      right: Math.max(start!.x, now.x),
      bottom: Math.max(start!.y, now.y),
    }
    box.value = {
      left: `${rectangle.left}px`,
      top: `${rectangle.top}px`,
      width: `${rectangle.right - rectangle.left}px`,
      height: `${rectangle.bottom - rectangle.top}px`,
    }
    onBox(rectangle, keep)
  }

  function scroll() {
    frame = 0
    if (!start || !scroller.value) return
    const { top, bottom } = scroller.value.getBoundingClientRect()
    const by = pointer.y < top + EDGE ? -14 : pointer.y > bottom - EDGE ? 14 : 0
    if (by === 0) return
    scroller.value.scrollTop += by
    draw()
    frame = requestAnimationFrame(scroll)
  }

  function end() {
    window.removeEventListener('pointermove', move)
    cancelAnimationFrame(frame)
    frame = 0
    start = null
    box.value = null
  }

  onScopeDispose(end)
  /** `hasDrawn`: whether the last press drew a frame, so that its click is ignored. */
  return { box, onPress, hasDrawn: () => isDrawing }
}
