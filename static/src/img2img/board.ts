/** The easel of the mask: Konva shows picture and mask, zooms, and follows mouse, pen and fingers. */
import Konva from 'konva/lib/Core'
import { Circle } from 'konva/lib/shapes/Circle'
import { Image as Shown } from 'konva/lib/shapes/Image'

import { act, redo, tintedWith, type Act, type Point } from './mask'

const STEP = 1.15 // zoom of one wheel click or button press
const CLOSEST = 16
const TINT = '#3f66ff'

/** What the hand does; the board asks at the moment of painting. */
export interface Hand {
  size: number // diameter of the brush in pixels of the picture
  erase: boolean
  colour: string
}

export type Board = ReturnType<typeof makeBoard>

/**
 * `changed` is told after every finished act, with the number of acts. What is painted is shown in
 * its own colours where it is `coloured`, else as a veil.
 */
export function makeBoard(
  holder: HTMLDivElement,
  hand: () => Hand,
  changed: (acts: number) => void,
  coloured = false,
) {
  const stage = new Konva.Stage({ container: holder, width: 1, height: 1 })
  const layer = new Konva.Layer()
  const painted = document.createElement('canvas') // the mask itself
  const tinted = document.createElement('canvas') // the mask as it is shown
  const picture = new Shown({ image: undefined, listening: false })
  const overlay = new Shown({ image: tinted, opacity: coloured ? 1 : 0.62, listening: false })
  const cursor = new Circle({ radius: 1, stroke: '#fff', strokeScaleEnabled: false, visible: false, listening: false })
  cursor.setAttrs({ shadowColor: '#000', shadowBlur: 2, shadowOpacity: 0.9 })
  layer.add(picture, overlay, cursor)
  stage.add(layer)
  let acts: Act[] = []
  let stroke: Extract<Act, { kind: 'stroke' }> | null = null
  let pinch: { apart: number; middle: Point } | null = null
  let drag: Point | null = null
  let fit = 1 // stage pixels a picture pixel when all of it is seen

  /** Another picture of the same size keeps its mask: the next round of the same repair. */
  function show(source: HTMLImageElement) {
    const { naturalWidth: width, naturalHeight: height } = source
    if (painted.width !== width || painted.height !== height) {
      acts = []
      for (const canvas of [painted, tinted]) Object.assign(canvas, { width, height })
    }
    picture.image(source)
    overlay.image(tinted)
    resize()
    changed(acts.length)
  }

  /** All of the picture in the holder's width. */
  function resize() {
    if (!painted.width || !holder.clientWidth) return // no picture yet, or the section is closed
    const width = holder.clientWidth
    const most = Math.min(window.innerHeight * 0.6, 620)
    fit = Math.min(width / painted.width, most / painted.height)
    stage.size({ width, height: painted.height * fit })
    whole()
  }

  function whole() {
    stage.scale({ x: fit, y: fit })
    stage.position({ x: (stage.width() - painted.width * fit) / 2, y: 0 })
    refresh()
  }

  function refresh() {
    const on = tinted.getContext('2d')!
    on.clearRect(0, 0, tinted.width, tinted.height)
    on.drawImage(coloured ? painted : tintedWith(painted, TINT), 0, 0)
    layer.batchDraw()
  }

  function does(what: Act) {
    acts.push(what)
    act(painted.getContext('2d')!, what)
    refresh()
    changed(acts.length)
  }

  function undo() {
    acts.pop()
    redo(painted.getContext('2d')!, acts)
    refresh()
    changed(acts.length)
  }

  function zoom(factor: number, around = { x: stage.width() / 2, y: stage.height() / 2 }) {
    const before = stage.scaleX()
    const after = Math.min(Math.max(before * factor, fit), fit * CLOSEST)
    if (after === fit) return whole()
    const { x, y } = stage.position()
    const place = (from: number, at: number) => at - ((at - from) / before) * after
    stage.scale({ x: after, y: after })
    stage.position({ x: place(x, around.x), y: place(y, around.y) })
    layer.batchDraw()
  }

  /** Where the pointer is on the picture. */
  function place(): Point | null {
    return layer.getRelativePointerPosition()
  }

  function begin() {
    const at = place()
    if (!at) return
    stroke = { kind: 'stroke', points: [at], ...hand() }
    act(painted.getContext('2d')!, stroke)
    refresh()
  }

  function go() {
    const at = place()
    if (!at) return
    cursor.setAttrs({ position: at, radius: hand().size / 2, visible: true })
    if (!stroke) return void layer.batchDraw()
    const last = stroke.points.at(-1)!
    stroke.points.push(at)
    act(painted.getContext('2d')!, { ...stroke, points: [last, at] })
    refresh()
  }

  function finish() {
    if (!stroke) return
    acts.push(stroke)
    stroke = null
    changed(acts.length)
  }

  /** A second finger: what the first had begun is taken back, and both move the picture. */
  function pinched(touches: TouchList) {
    const [one, two] = [touches[0]!, touches[1]!]
    const box = holder.getBoundingClientRect()
    const middle = {
      x: (one.clientX + two.clientX) / 2 - box.left,
      y: (one.clientY + two.clientY) / 2 - box.top,
    }
    const apart = Math.hypot(one.clientX - two.clientX, one.clientY - two.clientY)
    if (stroke) {
      stroke = null
      redo(painted.getContext('2d')!, acts)
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
    else if (evt.button === 0) begin()
  })
  stage.on('mousemove', ({ evt }) => {
    if (!drag) return go()
    stage.position({ x: stage.x() + evt.clientX - drag.x, y: stage.y() + evt.clientY - drag.y })
    drag = { x: evt.clientX, y: evt.clientY }
  })
  stage.on('mouseleave', () => {
    cursor.visible(false)
    layer.batchDraw()
  })
  stage.on('touchstart', ({ evt }) => {
    evt.preventDefault()
    if (evt.touches.length === 1 && !pinch) begin()
    else if (evt.touches.length === 2) pinched(evt.touches)
  })
  stage.on('touchmove', ({ evt }) => {
    evt.preventDefault()
    if (evt.touches.length === 2) pinched(evt.touches)
    else if (!pinch) go()
  })
  stage.on('touchend', ({ evt }) => {
    if (evt.touches.length === 0) {
      pinch = null
      cursor.visible(false)
    }
    finish()
  })
  stage.on('wheel', ({ evt }) => {
    if (!evt.altKey && !evt.ctrlKey) return // the page scrolls
    evt.preventDefault()
    zoom(evt.deltaY < 0 ? STEP : 1 / STEP, stage.getPointerPosition() ?? undefined)
  })
  const released = () => {
    drag = null
    finish()
  }
  window.addEventListener('mouseup', released)

  return {
    show, resize, undo, painted,
    act: does,
    nearer: () => zoom(STEP * STEP),
    farther: () => zoom(1 / STEP / STEP),
    whole,
    destroy() {
      window.removeEventListener('mouseup', released)
      stage.destroy()
    },
  }
}
