/** The canvas at work: document, stage and pointers, with the state that its tools show. */
import { computed, onBeforeUnmount, onMounted, reactive, ref, watch, type Ref } from 'vue'

import type { LoadedPicture } from '../pictures'
import type { Candidate } from './candidates'
import { createDocument } from './document'
import { composePaint, exportMap, exportMask, loadMask, type PaintOptions } from './export'
import { corners, fitView, panView, toPicture, zoomView, type Point, type Size, type View } from './geometry'
import { createGestures, PEN_ERASER, type Pointer } from './gestures'
import { isGrown } from './growth'
import {
  firstLayer,
  layersOf,
  MASK_COLOUR,
  maskParts,
  PAINTABLES,
  sendsPaint,
  type LayerName,
  type Paintable,
  type PaintMode,
} from './layers'
import { clear, invert, isPainted, type Paint } from './painting'
import { createStage, type Stage } from './stage'
import { dabSize, type Dab } from './strokes'
import { decodePicture, useCandidates } from './useCandidates'
import { useFrameTool } from './useFrameTool'

export type Tool = 'brush' | 'lasso' | 'rectangle' | 'frame'

const STEP = 1.32 // zoom of a press of a button
const WHEEL_STEP = 1.15
const MOST_HEIGHT = 620 // pixels of the screen, within the page
const FRAME_MARGIN = 0.2 // of the canvas, that a frame can be dragged into

export interface CanvasProps {
  image: string // data URI
  mode: PaintMode
  candidates?: readonly Candidate[] // what was drawn last
  control?: string | null // data URI of a control map that is to be painted on
}

export interface CanvasEvents {
  change: () => void // of anything that is sent
  picture: (picture: LoadedPicture) => void // a candidate was accepted, or an older picture is back
  frame: (size: Size) => void // pixels of what is sent
}

export type Canvas = ReturnType<typeof useCanvas>

function naturalSize({ naturalWidth: width, naturalHeight: height }: HTMLImageElement): Size {
  return { width, height }
}

/** How and with what one paints. */
function createBrush() {
  return reactive({
    tool: 'brush' as Tool,
    erase: false,
    size: 12, // diameter in hundredths of the picture's shorter side
    softness: 0, // hundredths of the radius
    pressure: true, // a pen draws as wide as it is pressed
    colour: '#e23b3b', // of paint
    mapColour: '#ffffff', // of a control map
  })
}

export function useCanvas(
  holder: Readonly<Ref<HTMLDivElement | null>>,
  props: Readonly<CanvasProps>,
  on: CanvasEvents,
) {
  const brush = createBrush()
  const active = ref<Paintable>(firstLayer(props.mode))
  const hidden = reactive(new Set<LayerName>())
  const steps = reactive({ undoable: 0, redoable: 0 })
  const isFull = ref(false)
  const drawing = createDocument(onDocumentChange)
  const candidates = useCandidates(() => props.candidates ?? [], drawing)
  const frame = useFrameTool(drawing, (box) => stage?.setFrame(box))
  const shown = computed<LayerName[]>(() =>
    candidates.isBare.value
      ? ['picture']
      : layersOf(props.mode, Boolean(props.control)).filter((layer) => !hidden.has(layer)),
  )
  const gestures = createGestures({ begin, extend, finish, cancel, pan, zoom })
  let stage: Stage | null = null
  let seen = { width: 0, height: 0, picture: null as HTMLImageElement | null } // what was told of the document
  let room: Size = { width: 1, height: 1 } // of the holder
  let fit: View = { scale: 1, x: 0, y: 0 }
  let view: View = fit
  let keyPoint: Point | null = null // where the brush is moved by keys
  let shownMap: string | null = null
  let moved: Point | null = null // where the pointer moves the picture beside the frame
  let shape: Point[] = [] // of a lasso or rectangle that is being drawn

  onMounted(() => {
    stage = createStage(holder.value!)
    stage.setShown(shown.value)
    void show()
  })
  onBeforeUnmount(() => stage?.destroy())
  watch(() => props.image, show)
  watch(() => props.control, showMap)
  watch(shown, (layers) => stage?.setShown(layers))
  watch(
    () => props.mode,
    (mode) => {
      active.value = firstLayer(mode)
      if (mode === 'sketch' && brush.tool === 'frame') brush.tool = 'brush'
    },
  )
  watch([candidates.image, candidates.peeking], showPicture)
  watch(() => brush.tool, resize)

  async function show() {
    const source = props.image
    if (source === drawing.picture?.src) return // it was accepted here
    const next = await decodePicture(source)
    if (source !== props.image) return // there is another by now
    seen.picture = next
    drawing.setPicture(next)
    await showMap()
  }

  /** A new control map replaces what lies in its layer. */
  async function showMap() {
    const map = props.control
    if (!map) return void (active.value = active.value === 'control' ? firstLayer(props.mode) : active.value)
    if (!drawing.picture || map === shownMap) return
    shownMap = map
    drawing.replace('control', await decodePicture(map))
    hidden.delete('control')
    active.value = 'control'
  }

  function showPicture() {
    const picture = candidates.findPicture()
    if (picture) stage?.setImage('picture', picture, drawing.size)
  }

  /** Fit the picture to the holder, but for one that is seen from near. */
  function resize() {
    const { width, height } = drawing.size
    const across = holder.value?.clientWidth ?? 0
    if (!width || !across) return // no picture yet, or out of sight
    const most = isFull.value ? holder.value!.clientHeight : Math.min(window.innerHeight * 0.6, MOST_HEIGHT)
    const down = isFull.value ? most : Math.min(most, (height * across) / width)
    const isWhole = view.scale === fit.scale
    const isFraming = brush.tool === 'frame'
    room = { width: across, height: down }
    fit = fitView(drawing.size, room, isFraming ? Math.min(across, down) * FRAME_MARGIN : 0)
    stage?.setSize(room)
    stage?.setFrame(isFraming ? { x: 0, y: 0, ...drawing.size } : null)
    setView(isWhole || view.scale < fit.scale ? fit : panView(view, { x: 0, y: 0 }, drawing.size, room))
  }

  function setView(next: View) {
    view = next
    stage?.setView(view)
  }

  function pan(by: Point) {
    setView(panView(view, by, drawing.size, room))
  }

  function zoom(factor: number, around: Point = { x: room.width / 2, y: room.height / 2 }) {
    setView(zoomView(view, factor, around, fit))
  }

  function onDocumentChange() {
    Object.assign(steps, { undoable: drawing.undoable, redoable: drawing.redoable })
    candidates.sync()
    const { width, height } = drawing.size
    const { picture } = drawing
    const isOther = picture !== seen.picture
    const isResized = width !== seen.width || height !== seen.height
    seen = { width, height, picture }
    showPicture()
    if (isResized) onResized()
    if (isOther && picture) on.picture({ name: '', uri: picture.src, ...naturalSize(picture) })
    if (isResized) on.frame({ width, height })
    stage?.draw()
    on.change()
  }

  function onResized() {
    for (const layer of PAINTABLES) stage?.setImage(layer, drawing.layers[layer].canvas, drawing.size)
    view = fit
    resize()
  }

  const diameter = () => Math.max(1, (brush.size / 100) * Math.min(drawing.size.width, drawing.size.height))

  function paint(): Paint {
    const colours = { mask: MASK_COLOUR, paint: brush.colour, control: brush.mapColour }
    const colour = colours[active.value]
    return { colour, softness: brush.softness / 100, erase: brush.erase }
  }

  function toggle(layer: LayerName) {
    if (!hidden.delete(layer)) hidden.add(layer)
  }

  function toDab(pointer: Pointer): Dab {
    const pressed = pointer.type === 'pen' && brush.pressure
    return {
      ...toPicture(view, pointer),
      size: pressed ? dabSize(diameter(), pointer.pressure) : diameter(),
    }
  }

  function begin(at: Pointer) {
    if (brush.tool === 'frame') {
      moved = frame.begin(at, view) ? null : at
      return
    }
    if (candidates.isBare.value) candidates.show(null) // one paints on the picture
    hidden.delete(active.value) // and sees it
    const erase = brush.erase || at.button === PEN_ERASER
    if (brush.tool === 'brush') return drawing.begin(active.value, toDab(at), { ...paint(), erase })
    shape = [toPicture(view, at)]
  }

  function extend(at: Pointer) {
    if (brush.tool === 'frame') return extendFrame(at)
    if (shape.length === 0) return drawing.extend(toDab(at))
    const point = toPicture(view, at)
    shape = brush.tool === 'lasso' ? [...shape, point] : corners(shape[0]!, point)
    stage?.setLine(shape)
  }

  /** Beside the handles, the picture is moved. */
  function extendFrame(at: Point) {
    if (!moved) return frame.extend(at, view)
    pan({ x: at.x - moved.x, y: at.y - moved.y })
    moved = at
  }

  function finish() {
    frame.finish()
    moved = null
    if (shape.length === 0) return drawing.finish()
    if (shape.length > 2) drawing.fill(active.value, shape, paint())
    endShape()
  }

  function cancel() {
    frame.cancel()
    drawing.cancel()
    endShape()
    resize()
  }

  function endShape() {
    shape = []
    stage?.setLine([])
  }

  /** Show the brush where the pointer is; null: it left. */
  function hover(at: Point | null) {
    stage?.setCursor(at && brush.tool === 'brush' ? toPicture(view, at) : null, diameter())
  }

  /** By keys: move the brush by shares of its size; `paints`: it draws a line. */
  function step(x: number, y: number, paints: boolean) {
    if (brush.tool === 'frame') return frame.step(x, y, paints)
    const from = keyPoint ?? { x: drawing.size.width / 2, y: drawing.size.height / 2 }
    const size = diameter()
    const to = {
      x: Math.min(Math.max(from.x + x * size, 0), drawing.size.width),
      y: Math.min(Math.max(from.y + y * size, 0), drawing.size.height),
    }
    if (paints) {
      hidden.delete(active.value)
      drawing.begin(active.value, { ...from, size }, paint())
      drawing.extend({ ...to, size })
      drawing.finish()
    }
    keyPoint = to
    stage?.setCursor(to, size)
  }

  async function load(file: Blob) {
    const mask = await loadMask(file, MASK_COLOUR)
    hidden.delete('mask')
    drawing.replace('mask', mask)
  }

  function mask(share = 1): string | null {
    drawing.finish()
    const parts = maskParts(props.mode, hidden, share)
    const sources = parts.map((part) => ({ painted: drawing.layers[part.layer].canvas, share: part.share }))
    return drawing.picture && exportMask(drawing.size, sources)
  }

  /** The picture in its frame with its paint; null where it is as it was given. */
  function sketched(options?: PaintOptions): string | null {
    drawing.finish()
    const { base, growth, layers } = drawing
    if (!base) return null
    if (sendsPaint(props.mode, hidden) && isPainted(layers.paint))
      return composePaint(base, layers.paint.canvas, options)
    return isGrown(growth) ? base.toDataURL('image/png') : null
  }

  /** The control map as it is painted; null where there is none, or it is hidden. */
  function map(): string | null {
    drawing.finish()
    return props.control && !hidden.has('control') ? exportMap(drawing.layers.control.canvas) : null
  }

  function clearAll() {
    for (const layer of [drawing.layers.paint, drawing.layers.mask])
      if (isPainted(layer)) drawing.edit(layer === drawing.layers.mask ? 'mask' : 'paint', clear)
  }

  return {
    brush,
    active,
    hidden,
    steps,
    isFull,
    candidates,
    hasFrame: () => props.mode !== 'sketch',
    toggle,
    step,
    gestures,
    resize,
    hover,
    zoom,
    wheel: (delta: number, around: Point) => zoom(delta < 0 ? WHEEL_STEP : 1 / WHEEL_STEP, around),
    zoomIn: () => zoom(STEP),
    zoomOut: () => zoom(1 / STEP),
    showWhole: () => setView(fit),
    undo: drawing.undo,
    redo: drawing.redo,
    clear: () => drawing.edit(active.value, clear),
    invert: () => drawing.edit('mask', (context) => invert(context, MASK_COLOUR)),
    load,
    mask,
    sketched,
    map,
    clearAll,
  }
}
