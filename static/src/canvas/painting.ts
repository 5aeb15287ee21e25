/** Painting on the canvas of one layer: dabs, shapes, copies of regions. */
import type { Box, Point, Size } from './geometry'
import { softStops, type Dab } from './strokes'

export type Context = CanvasRenderingContext2D

/** What is painted with. */
export interface Paint {
  colour: string // #rrggbb
  softness: number // 0..1: the share of a dab's radius over which it fades
  erase: boolean
}

/** Create an empty canvas. */
export function createCanvas({ width, height }: Size) {
  const canvas = document.createElement('canvas')
  Object.assign(canvas, { width, height })
  return { canvas, context: canvas.getContext('2d', { willReadFrequently: true })! }
}

/** Draw the dabs that follow `before`, the last that was drawn; null: they begin a stroke. */
export function drawDabs(context: Context, before: Dab | null, dabs: readonly Dab[], paint: Paint) {
  context.save()
  context.globalCompositeOperation = paint.erase ? 'destination-out' : 'source-over'
  if (paint.softness > 0) drawSoft(context, dabs, paint, before !== null)
  else drawHard(context, before, dabs, paint)
  context.restore()
}

function drawSoft(context: Context, dabs: readonly Dab[], { colour, softness }: Paint, within: boolean) {
  const stops = softStops(softness, within)
  for (const { x, y, size } of dabs) {
    const fade = context.createRadialGradient(x, y, 0, x, y, size / 2)
    for (const [at, opacity] of stops) fade.addColorStop(at, colour + toHex(opacity))
    context.fillStyle = fade
    context.fillRect(x - size / 2, y - size / 2, size, size)
  }
}

function drawHard(context: Context, before: Dab | null, dabs: readonly Dab[], { colour }: Paint) {
  Object.assign(context, { fillStyle: colour, strokeStyle: colour, lineCap: 'round' })
  let last = before
  for (const dab of dabs) {
    context.beginPath()
    if (last) {
      context.lineWidth = (last.size + dab.size) / 2
      context.moveTo(last.x, last.y)
      context.lineTo(dab.x, dab.y)
      context.stroke()
    } else {
      context.arc(dab.x, dab.y, dab.size / 2, 0, 2 * Math.PI)
      context.fill()
    }
    last = dab
  }
}

function toHex(opacity: number): string {
  return Math.round(opacity * 255)
    .toString(16)
    .padStart(2, '0')
}

/** Fill the shape inside a closed line. */
export function fillShape(context: Context, line: readonly Point[], { colour, erase }: Paint) {
  context.save()
  context.globalCompositeOperation = erase ? 'destination-out' : 'source-over'
  context.fillStyle = colour
  context.beginPath()
  for (const { x, y } of line) context.lineTo(x, y)
  context.fill()
  context.restore()
}

export function clear(context: Context) {
  context.clearRect(0, 0, context.canvas.width, context.canvas.height)
}

/** What was opaque becomes transparent, all else the colour. */
export function invert(context: Context, colour: string) {
  context.save()
  context.globalCompositeOperation = 'xor' // with a full rectangle it inverts the opacity
  context.fillStyle = colour
  context.fillRect(0, 0, context.canvas.width, context.canvas.height)
  context.restore()
}

/** A copy of a region. */
export function copyRegion(from: HTMLCanvasElement, { x, y, width, height }: Box): HTMLCanvasElement {
  const { canvas, context } = createCanvas({ width, height })
  context.drawImage(from, x, y, width, height, 0, 0, width, height)
  return canvas
}

/** Replace a region by its copy. */
export function pasteRegion(context: Context, { x, y, width, height }: Box, copy: HTMLCanvasElement) {
  context.clearRect(x, y, width, height)
  context.drawImage(copy, x, y)
}

/** Whether anything is painted. */
export function isPainted(context: Context): boolean {
  const { data } = context.getImageData(0, 0, context.canvas.width, context.canvas.height)
  for (let at = 3; at < data.length; at += 4) if (data[at]! > 0) return true
  return false
}

/** A copy of what is painted in one colour. */
export function tint(painted: HTMLCanvasElement, colour: string): HTMLCanvasElement {
  const { canvas, context } = createCanvas(painted)
  context.drawImage(painted, 0, 0)
  context.globalCompositeOperation = 'source-in'
  context.fillStyle = colour
  context.fillRect(0, 0, canvas.width, canvas.height)
  return canvas
}
