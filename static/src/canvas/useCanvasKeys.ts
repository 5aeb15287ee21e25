/** Keys of the canvas; those of AUTOMATIC1111's canvas where it has one. */
import { ref } from 'vue'

import type { Canvas } from './useCanvas'

const MOST_SIZE = 60 // hundredths
const KEY_STEP = 0.5 // of the brush's size
const ARROWS: Record<string, [number, number]> = {
  ArrowLeft: [-KEY_STEP, 0],
  ArrowRight: [KEY_STEP, 0],
  ArrowUp: [0, -KEY_STEP],
  ArrowDown: [0, KEY_STEP],
}

export function useCanvasKeys(canvas: Canvas, toggleFull: () => void) {
  const { brush } = canvas
  const moves = ref(false) // while a key is held, pointers move the picture

  const actions: Record<string, () => void> = {
    b: () => Object.assign(brush, { tool: 'brush', erase: false }),
    e: () => (brush.erase = !brush.erase),
    l: () => (brush.tool = 'lasso'),
    m: () => (brush.tool = 'rectangle'),
    q: () => (brush.size = Math.max(1, brush.size - 2)),
    w: () => (brush.size = Math.min(MOST_SIZE, brush.size + 2)),
    c: () => (canvas.hasFrame() ? (brush.tool = 'frame') : undefined),
    o: () => (canvas.candidates.peeking.value = true),
    r: canvas.showWhole,
    s: toggleFull,
    f: () => (moves.value = true),
    ' ': () => (moves.value = true),
    '[': () => actions.q!(),
    ']': () => actions.w!(),
    '+': canvas.zoomIn,
    '-': canvas.zoomOut,
  }

  function controlAction(event: KeyboardEvent): (() => void) | undefined {
    const key = event.key.toLowerCase()
    if (key === 'z') return event.shiftKey ? canvas.redo : canvas.undo
    return key === 'y' ? canvas.redo : undefined
  }

  function findAction(event: KeyboardEvent): (() => void) | undefined {
    if (event.ctrlKey || event.metaKey) return controlAction(event)
    const onCanvas = (event.target as HTMLElement).role === 'application'
    const arrow = ARROWS[event.key]
    if (onCanvas && arrow) return () => canvas.step(...arrow, event.shiftKey)
    if (onCanvas && event.key === 'Enter') return () => canvas.step(0, 0, true)
    return actions[event.key.toLowerCase()]
  }

  function down(event: KeyboardEvent) {
    if (event.key === 'Escape' && canvas.isFull.value) return event.stopPropagation() // it leaves full screen
    if (event.altKey || (event.target as HTMLElement).closest('input, [role=slider]')) return
    const action = findAction(event)
    if (!action) return
    event.preventDefault()
    event.stopPropagation()
    action()
  }

  function up() {
    moves.value = false
    canvas.candidates.peeking.value = false
  }

  return { moves, down, up }
}
