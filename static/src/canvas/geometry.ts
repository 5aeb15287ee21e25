/** Points, boxes and views of the canvas. A view maps pixels of the picture to those of the screen. */

export interface Point {
  x: number
  y: number
}

export interface Size {
  width: number
  height: number
}

export interface Box extends Point, Size {}

/** screen = picture × scale + (x, y) */
export interface View extends Point {
  scale: number
}

export const MAX_ZOOM = 16 // of what fits

/** The view that shows all of it in the middle, with `margin` pixels of the screen at each side. */
export function fitView(content: Size, holder: Size, margin = 0): View {
  const [width, height] = [holder.width - 2 * margin, holder.height - 2 * margin]
  const scale = Math.max(Math.min(width / content.width, height / content.height), 0.001)
  return {
    scale,
    x: (holder.width - content.width * scale) / 2,
    y: (holder.height - content.height * scale) / 2,
  }
}

/** Zoom around a point of the screen, between what fits and `MAX_ZOOM` times that. */
export function zoomView(view: View, factor: number, around: Point, fit: View): View {
  const scale = Math.min(Math.max(view.scale * factor, fit.scale), fit.scale * MAX_ZOOM)
  if (scale === fit.scale) return fit
  const place = (from: number, at: number) => at - ((at - from) / view.scale) * scale
  return { scale, x: place(view.x, around.x), y: place(view.y, around.y) }
}

/** Move by pixels of the screen; a fifth of the holder keeps showing the picture. */
export function panView(view: View, by: Point, content: Size, holder: Size): View {
  const keep = (at: number, length: number, room: number) =>
    Math.min(Math.max(at, room / 5 - length * view.scale), room - room / 5)
  return {
    scale: view.scale,
    x: keep(view.x + by.x, content.width, holder.width),
    y: keep(view.y + by.y, content.height, holder.height),
  }
}

/** Where a point of the screen lies on the picture. */
export function toPicture(view: View, { x, y }: Point): Point {
  return { x: (x - view.x) / view.scale, y: (y - view.y) / view.scale }
}

export function middle(a: Point, b: Point): Point {
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 }
}

export function distance(a: Point, b: Point): number {
  return Math.hypot(a.x - b.x, a.y - b.y)
}

/** The smallest box around points, `margin` wider at each side. */
export function boxAround(points: readonly Point[], margin = 0): Box {
  const [xs, ys] = [points.map(({ x }) => x), points.map(({ y }) => y)]
  const [x, y] = [Math.min(...xs) - margin, Math.min(...ys) - margin]
  return { x, y, width: Math.max(...xs) + margin - x, height: Math.max(...ys) + margin - y }
}

export function joinBoxes(a: Box | null, b: Box): Box {
  if (!a) return b
  const [x, y] = [Math.min(a.x, b.x), Math.min(a.y, b.y)]
  return {
    x,
    y,
    width: Math.max(a.x + a.width, b.x + b.width) - x,
    height: Math.max(a.y + a.height, b.y + b.height) - y,
  }
}

/** The box in whole pixels, as far as it lies on the picture; null where it does not. */
export function clipBox(box: Box, { width, height }: Size): Box | null {
  const [x, y] = [Math.max(Math.floor(box.x), 0), Math.max(Math.floor(box.y), 0)]
  const right = Math.min(Math.ceil(box.x + box.width), width)
  const bottom = Math.min(Math.ceil(box.y + box.height), height)
  return right > x && bottom > y ? { x, y, width: right - x, height: bottom - y } : null
}

/** The four corners of the rectangle between two points. */
export function corners(a: Point, b: Point): Point[] {
  return [a, { x: b.x, y: a.y }, b, { x: a.x, y: b.y }]
}
