/** A picture in its frame and the layers painted on it: strokes, shapes, and undo over all of it. */
import { NO_CANDIDATES, type Candidates } from './candidates'
import { composeFrame } from './export'
import { boxAround, clipBox, joinBoxes, type Box, type Point, type Size } from './geometry'
import { grownBoxes, grownSize, NO_GROWTH, type Growth } from './growth'
import { createHistory } from './history'
import { MASK_COLOUR, PAINTABLES, type Paintable } from './layers'
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

/** All of a document at one moment. */
interface State {
  picture: HTMLImageElement
  growth: Growth
  candidates: Candidates
  layers: Record<Paintable, HTMLCanvasElement>
}

/** What undo takes back: a region of a layer, the choice of a candidate, or all. */
type Step =
  | { kind: 'region'; layer: Paintable; box: Box; before: HTMLCanvasElement; after: HTMLCanvasElement }
  | { kind: 'choice'; before: Candidates; after: Candidates }
  | { kind: 'whole'; before: State; after: State }

interface Stroke {
  layer: Paintable
  paint: Paint
  points: ReturnType<typeof createStroke>
  last: Dab | null
  box: Box | null // of what is drawn
  before: HTMLCanvasElement
}

export type CanvasDocument = ReturnType<typeof createDocument>

function stateBytes({ layers }: State): number {
  return Object.values(layers).reduce((sum, { width, height }) => sum + width * height * 4, 0)
}

function stepBytes(step: Step): number {
  if (step.kind === 'region') return step.box.width * step.box.height * 8
  return step.kind === 'choice' ? 0 : stateBytes(step.before) + stateBytes(step.after)
}

/** `onChange` is called after everything that changes what is seen. */
export function createDocument(onChange: () => void) {
  const size: Size = { width: 0, height: 0 }
  const layers = Object.fromEntries(
    PAINTABLES.map((name) => [name, createCanvas({ width: 1, height: 1 }).context]),
  ) as Record<Paintable, Context>
  const history = createHistory<Step>(stepBytes, MOST_BYTES)
  let picture: HTMLImageElement | null = null
  let before: HTMLImageElement | null = null // the picture that was replaced last
  let growth = NO_GROWTH
  let base: HTMLCanvasElement | null = null // the picture in its frame
  let candidates = NO_CANDIDATES
  let stroke: Stroke | null = null

  const whole = (): Box => ({ x: 0, y: 0, ...size })
  const sizeOf = ({ naturalWidth, naturalHeight }: HTMLImageElement): Size => ({
    width: naturalWidth,
    height: naturalHeight,
  })

  /** Another picture in its frame; the layers become empty where its size is another. */
  function setFrame(next: HTMLImageElement, nextGrowth: Growth) {
    const { width, height } = grownSize(sizeOf(next), nextGrowth)
    picture = next
    growth = nextGrowth
    base = composeFrame(next, nextGrowth)
    if (size.width === width && size.height === height) return
    Object.assign(size, { width, height })
    for (const { canvas } of Object.values(layers)) Object.assign(canvas, { width, height })
  }

  /** A picture from outside. What is painted stays on one of the same size, for repeated inpainting. */
  function setPicture(next: HTMLImageElement) {
    finish()
    const { width, height } = sizeOf(next)
    const keeps =
      size.width === width && size.height === height && !history.some((step) => step.kind === 'whole')
    if (!keeps) history.clear()
    before = null
    candidates = NO_CANDIDATES
    setFrame(next, NO_GROWTH)
    onChange()
  }

  function takeState(): State {
    const copies = PAINTABLES.map((name) => [name, copyRegion(layers[name].canvas, whole())])
    return { picture: picture!, growth, candidates, layers: Object.fromEntries(copies) }
  }

  /** Change anything, as one step. */
  function changeAll(act: (old: State) => void) {
    finish()
    const old = takeState()
    act(old)
    history.push({ kind: 'whole', before: old, after: takeState() })
    onChange()
  }

  /** Let the frame reach beyond the picture; what is new is masked, with a seam of the old. */
  function grow(next: Growth) {
    changeAll((old) => {
      const [x, y] = [next.left - growth.left, next.up - growth.up]
      setFrame(picture!, next)
      for (const name of PAINTABLES) {
        clear(layers[name])
        layers[name].drawImage(old.layers[name], x, y)
      }
      layers.mask.fillStyle = MASK_COLOUR
      for (const { x, y, width, height } of grownBoxes(sizeOf(picture!), next))
        layers.mask.fillRect(x, y, width, height)
    })
  }

  /** Take a candidate as the picture; its paint is part of it by now. */
  function accept(next: HTMLImageElement) {
    changeAll((old) => {
      setFrame(next, NO_GROWTH)
      candidates = NO_CANDIDATES
      for (const name of PAINTABLES) {
        clear(layers[name])
        if (name !== 'paint') layers[name].drawImage(old.layers[name], 0, 0, size.width, size.height)
      }
      before = old.picture
    })
  }

  function choose(next: Candidates, isStep: boolean) {
    finish()
    if (isStep) history.push({ kind: 'choice', before: candidates, after: next })
    candidates = next
    onChange()
  }

  /** Change a layer within a box, as one step. */
  function change(layer: Paintable, area: Box, act: (context: Context) => void) {
    finish()
    const box = clipBox(area, size)
    if (!box) return
    const before = copyRegion(layers[layer].canvas, box)
    act(layers[layer])
    history.push({ kind: 'region', layer, box, before, after: copyRegion(layers[layer].canvas, box) })
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
    const after = copyRegion(layers[layer].canvas, box)
    history.push({ kind: 'region', layer, box, before: copyRegion(before, box), after })
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
    if (step?.kind === 'region') pasteRegion(layers[step.layer], step.box, step[side])
    if (step?.kind === 'choice') candidates = step[side]
    if (step?.kind === 'whole') restoreAll(step[side])
    onChange()
  }

  function restoreAll(state: State) {
    before = state.picture === picture ? before : null
    setFrame(state.picture, state.growth)
    candidates = state.candidates
    for (const name of PAINTABLES) pasteRegion(layers[name], whole(), state.layers[name])
  }

  return {
    size,
    layers,
    setPicture,
    grow,
    accept,
    choose,
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
    get picture() {
      return picture
    },
    get before() {
      return before
    },
    get growth() {
      return growth
    },
    get base() {
      return base
    },
    get candidates() {
      return candidates
    },
    get undoable() {
      return history.undoable
    },
    get redoable() {
      return history.redoable
    },
  }
}
