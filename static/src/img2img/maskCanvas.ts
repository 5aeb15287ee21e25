/** Mask editor canvas by Konva: picture, mask, zoom, and mouse, pen and touch input. */
import Konva from 'konva/lib/Core'
import { Circle } from 'konva/lib/shapes/Circle'
import { Image as KonvaImage } from 'konva/lib/shapes/Image'

import { applyAction, replayActions, tint, type MaskAction, type Point } from './maskActions'

const STEP = 1.15 // zoom of one wheel click or button press
const MAX_ZOOM = 16
const TINT = '#3f66ff'

/** How the pointer paints; read at the moment of painting. */
export interface Brush {
  size: number // diameter of the brush in pixels of the picture
  erase: boolean
  colour: string
}

export type MaskCanvas = ReturnType<typeof createMaskCanvas>

/**
 * `onChange` is called after every finished action with the number of actions. The mask is shown in
 * its own colours where it is `coloured`, else as a translucent overlay.
 */
export function createMaskCanvas(
  container: HTMLDivElement,
  brush: () => Brush,
  onChange: (actions: number) => void,
  coloured = false,
) {
  const stage = new Konva.Stage({ container, width: 1, height: 1 })
  const layer = new Konva.Layer()
  const maskLayer = document.createElement('canvas') // the mask itself
  const tintedLayer = document.createElement('canvas') // the mask as it is shown
  const picture = new KonvaImage({ image: undefined, listening: false })
  const overlay = new KonvaImage({ image: tintedLayer, opacity: coloured ? 1 : 0.62, listening: false })
  const cursor = new Circle({
    radius: 1,
    stroke: '#fff',
    strokeScaleEnabled: false,
    visible: false,
    listening: false,
  })
  cursor.setAttrs({ shadowColor: '#000', shadowBlur: 2, shadowOpacity: 0.9 })
  layer.add(picture, overlay, cursor)
  stage.add(layer)
  let actions: MaskAction[] = []
  let stroke: Extract<MaskAction, { kind: 'stroke' }> | null = null
  let pinch: { apart: number; middle: Point } | null = null
  let drag: Point | null = null
  let fit = 1 // stage pixels a picture pixel when all of it is seen

  /** Show a picture; one of the same size keeps the mask, for repeated inpainting. */
  function show(source: HTMLImageElement) {
    const { naturalWidth: width, naturalHeight: height } = source
    if (maskLayer.width !== width || maskLayer.height !== height) {
      actions = []
      for (const canvas of [maskLayer, tintedLayer]) Object.assign(canvas, { width, height })
    }
    picture.image(source)
    overlay.image(tintedLayer)
    resize()
    onChange(actions.length)
  }

  /** Fit the picture to the container. */
  function resize() {
    if (!maskLayer.width || !container.clientWidth) return // no picture yet, or the section is closed
    const width = container.clientWidth
    const most = Math.min(window.innerHeight * 0.6, 620)
    fit = Math.min(width / maskLayer.width, most / maskLayer.height)
    stage.size({ width, height: maskLayer.height * fit })
    fitWhole()
  }

  function fitWhole() {
    stage.scale({ x: fit, y: fit })
    stage.position({ x: (stage.width() - maskLayer.width * fit) / 2, y: 0 })
    refresh()
  }

  function refresh() {
    const on = tintedLayer.getContext('2d')!
    on.clearRect(0, 0, tintedLayer.width, tintedLayer.height)
    on.drawImage(coloured ? maskLayer : tint(maskLayer, TINT), 0, 0)
    layer.batchDraw()
  }

  function perform(what: MaskAction) {
    actions.push(what)
    applyAction(maskLayer.getContext('2d')!, what)
    refresh()
    onChange(actions.length)
  }

  function undo() {
    actions.pop()
    replayActions(maskLayer.getContext('2d')!, actions)
    refresh()
    onChange(actions.length)
  }

  function zoom(factor: number, around = { x: stage.width() / 2, y: stage.height() / 2 }) {
    const before = stage.scaleX()
    const after = Math.min(Math.max(before * factor, fit), fit * MAX_ZOOM)
    if (after === fit) return fitWhole()
    const { x, y } = stage.position()
    const place = (from: number, at: number) => at - ((at - from) / before) * after
    stage.scale({ x: after, y: after })
    stage.position({ x: place(x, around.x), y: place(y, around.y) })
    layer.batchDraw()
  }

  /** The pointer's position in pixels of the picture. */
  function place(): Point | null {
    return layer.getRelativePointerPosition()
  }

  function beginStroke() {
    const at = place()
    if (!at) return
    stroke = { kind: 'stroke', points: [at], ...brush() }
    applyAction(maskLayer.getContext('2d')!, stroke)
    refresh()
  }

  function continueStroke() {
    const at = place()
    if (!at) return
    cursor.setAttrs({ position: at, radius: brush().size / 2, visible: true })
    if (!stroke) return void layer.batchDraw()
    const last = stroke.points.at(-1)!
    stroke.points.push(at)
    applyAction(maskLayer.getContext('2d')!, { ...stroke, points: [last, at] })
    refresh()
  }

  function finishStroke() {
    if (!stroke) return
    actions.push(stroke)
    stroke = null
    onChange(actions.length)
  }

  /** Two-finger gesture: discard the stroke, then move and zoom. */
  function onPinch(touches: TouchList) {
    const [one, two] = [touches[0]!, touches[1]!]
    const box = container.getBoundingClientRect()
    const middle = {
      x: (one.clientX + two.clientX) / 2 - box.left,
      y: (one.clientY + two.clientY) / 2 - box.top,
    }
    const apart = Math.hypot(one.clientX - two.clientX, one.clientY - two.clientY)
    if (stroke) {
      stroke = null
      replayActions(maskLayer.getContext('2d')!, actions)
      refresh()
    }
    if (pinch) {
      stage.position({ x: stage.x() + middle.x - pinch.middle.x, y: stage.y() + middle.y - pinch.middle.y })
      zoom(apart / pinch.apart, middle)
    }
    pinch = { apart, middle }
  }

  stage.on('mousedown', ({ evt }) => {
    if (evt.button === 1 || evt.shiftKey) drag = { x: evt.clientX, y: evt.clientY }
    else if (evt.button === 0) beginStroke()
  })
  stage.on('mousemove', ({ evt }) => {
    if (!drag) return continueStroke()
    stage.position({ x: stage.x() + evt.clientX - drag.x, y: stage.y() + evt.clientY - drag.y })
    drag = { x: evt.clientX, y: evt.clientY }
  })
  stage.on('mouseleave', () => {
    cursor.visible(false)
    layer.batchDraw()
  })
  stage.on('touchstart', ({ evt }) => {
    evt.preventDefault()
    if (evt.touches.length === 1 && !pinch) beginStroke()
    else if (evt.touches.length === 2) onPinch(evt.touches)
  })
  stage.on('touchmove', ({ evt }) => {
    evt.preventDefault()
    if (evt.touches.length === 2) onPinch(evt.touches)
    else if (!pinch) continueStroke()
  })
  stage.on('touchend', ({ evt }) => {
    if (evt.touches.length === 0) {
      pinch = null
      cursor.visible(false)
    }
    finishStroke()
  })
  stage.on('wheel', ({ evt }) => {
    if (!evt.altKey && !evt.ctrlKey) return // the page scrolls
    evt.preventDefault()
    zoom(evt.deltaY < 0 ? STEP : 1 / STEP, stage.getPointerPosition() ?? undefined)
  })
  const onMouseUp = () => {
    drag = null
    finishStroke()
  }
  window.addEventListener('mouseup', onMouseUp)

  return {
    show,
    resize,
    undo,
    maskLayer,
    apply: perform,
    zoomIn: () => zoom(STEP * STEP),
    zoomOut: () => zoom(1 / STEP / STEP),
    fitWhole,
    destroy() {
      window.removeEventListener('mouseup', onMouseUp)
      stage.destroy()
    },
  }
}
