/** The painted layers of one picture: strokes, shapes, and undo over all of them. */
import { boxAround, clipBox, joinBoxes, type Box, type Point, type Size } from './geometry'
import { createHistory } from './history'
import type { Paintable } from './layers'
import {
  clear,
  copyRegion,
  createCanvas,
  drawDabs,
  fillShape,
  pasteRegion,
  type Context,
  type Paint,
} from './painting'
import { createStroke, type Dab } from './strokes'

const MOST_BYTES = 192 * 1024 * 1024 // of undo and redo
const EDGE = 1 // pixel around what is painted, for its smooth edge

/** A region of a layer before and after a step. */
interface Step {
  layer: Paintable
  box: Box
  before: HTMLCanvasElement
  after: HTMLCanvasElement
}

interface Stroke {
  layer: Paintable
  paint: Paint
  points: ReturnType<typeof createStroke>
  last: Dab | null
  box: Box | null // of what is drawn
  before: HTMLCanvasElement
}

export type CanvasDocument = ReturnType<typeof createDocument>

/** `onChange` is called after everything that changes a layer. */
export function createDocument(onChange: () => void) {
  const size: Size = { width: 0, height: 0 }
  const layers = Object.fromEntries(
    (['control', 'paint', 'mask'] as const).map((name) => [
      name,
      createCanvas({ width: 1, height: 1 }).context,
    ]),
  ) as Record<Paintable, Context>
  const history = createHistory<Step>(({ box }) => box.width * box.height * 8, MOST_BYTES)
  let stroke: Stroke | null = null

  /** The size of another picture; layers of the same size stay, for repeated inpainting. */
  function setSize({ width, height }: Size) {
    if (size.width === width && size.height === height) return
    stroke = null
    history.clear()
    Object.assign(size, { width, height })
    for (const { canvas } of Object.values(layers)) Object.assign(canvas, { width, height })
    onChange()
  }

  const whole = (): Box => ({ x: 0, y: 0, ...size })

  /** Change a layer within a box, as one step. */
  function change(layer: Paintable, area: Box, act: (context: Context) => void) {
    finish()
    const box = clipBox(area, size)
    if (!box) return
    const before = copyRegion(layers[layer].canvas, box)
    act(layers[layer])
    history.push({ layer, box, before, after: copyRegion(layers[layer].canvas, box) })
    onChange()
  }

  function begin(layer: Paintable, dab: Dab, paint: Paint) {
    finish()
    const before = copyRegion(layers[layer].canvas, whole())
    stroke = { layer, paint, points: createStroke(), last: null, box: null, before }
    extend(dab)
  }

  function extend(dab: Dab) {
    if (stroke) draw(stroke, stroke.points.extend(dab))
  }

  function draw(to: Stroke, dabs: Dab[]) {
    if (dabs.length === 0) return
    drawDabs(layers[to.layer], to.last, dabs, to.paint)
    const reach = Math.max(to.last?.size ?? 0, ...dabs.map((dab) => dab.size)) / 2 + EDGE
    to.box = joinBoxes(to.box, boxAround(dabs, reach))
    to.last = dabs.at(-1)!
    onChange()
  }

  function finish() {
    if (!stroke) return
    draw(stroke, stroke.points.finish())
    const { layer, before } = stroke
    const box = clipBox(stroke.box!, size)
    stroke = null
    if (!box) return // beside the picture
    history.push({
      layer,
      box,
      before: copyRegion(before, box),
      after: copyRegion(layers[layer].canvas, box),
    })
    onChange()
  }

  /** Take back a stroke that turned out to be something else. */
  function cancel() {
    if (!stroke) return
    pasteRegion(layers[stroke.layer], whole(), stroke.before)
    stroke = null
    onChange()
  }

  function restore(step: Step | null, side: 'before' | 'after') {
    if (step) pasteRegion(layers[step.layer], step.box, step[side])
    onChange()
  }

  return {
    size,
    layers,
    setSize,
    begin,
    extend,
    finish,
    cancel,
    fill: (layer: Paintable, line: readonly Point[], paint: Paint) =>
      change(layer, boxAround(line, EDGE), (context) => fillShape(context, line, paint)),
    replace: (layer: Paintable, picture: CanvasImageSource) =>
      change(layer, whole(), (context) => {
        clear(context)
        context.drawImage(picture, 0, 0, size.width, size.height)
      }),
    edit: (layer: Paintable, act: (context: Context) => void) => change(layer, whole(), act),
    undo() {
      finish()
      restore(history.undo(), 'before')
    },
    redo() {
      finish()
      restore(history.redo(), 'after')
    },
    get undoable() {
      return history.undoable
    },
    get redoable() {
      return history.redoable
    },
  }
}
