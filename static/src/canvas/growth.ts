/** How far the frame reaches beyond the picture, for outpainting. */
import type { Box, Point, Size, View } from './geometry'

/** Pixels of the picture at each side. */
export interface Growth {
  left: number
  up: number
  right: number
  down: number
}

/** A side or corner of the frame: -1 left or up, 1 right or down, 0 neither. */
export interface Handle {
  x: -1 | 0 | 1
  y: -1 | 0 | 1
}

export const NO_GROWTH: Growth = { left: 0, up: 0, right: 0, down: 0 }
export const HANDLES: readonly Handle[] = [
  { x: -1, y: -1 }, { x: 1, y: -1 }, { x: -1, y: 1 }, { x: 1, y: 1 },
  { x: 0, y: -1 }, { x: 0, y: 1 }, { x: -1, y: 0 }, { x: 1, y: 0 },
] // prettier-ignore
const STEP = 8 // pixels that the sides of a grown picture are multiples of, as the service draws
const LONGEST = 2048 // pixels of a grown side
const SEAM = 8 // pixels of the picture that are drawn anew along a grown side

export function isGrown({ left, up, right, down }: Growth): boolean {
  return left + up + right + down > 0
}

export function grownSize({ width, height }: Size, { left, up, right, down }: Growth): Size {
  return { width: left + width + right, height: up + height + down }
}

/** Growth at one side so that the whole is a multiple of `STEP` and not longer than `LONGEST`. */
function settle(asked: number, rest: number): number {
  if (asked <= 0) return 0
  return Math.max(Math.min(Math.round((rest + asked) / STEP) * STEP, LONGEST) - rest, 0)
}

/** The growth after a handle was dragged by pixels of the picture; the picture is never cut. */
export function dragGrowth(growth: Growth, { x, y }: Handle, by: Point, picture: Size): Growth {
  const next = { ...growth }
  if (x < 0) next.left = settle(growth.left - by.x, picture.width + growth.right)
  if (x > 0) next.right = settle(growth.right + by.x, picture.width + growth.left)
  if (y < 0) next.up = settle(growth.up - by.y, picture.height + growth.down)
  if (y > 0) next.down = settle(growth.down + by.y, picture.height + growth.up)
  return next
}

/** Where a handle of a box lies. */
export function handlePoint({ x, y }: Handle, box: Box): Point {
  return { x: box.x + ((x + 1) / 2) * box.width, y: box.y + ((y + 1) / 2) * box.height }
}

/** The handle within `reach` pixels of a point of the screen; a side is one along all its length. */
export function handleAt(point: Point, view: View, { width, height }: Size, reach: number): Handle | null {
  const side = (at: number, from: number, length: number): -1 | 0 | 1 | null => {
    const [toStart, toEnd] = [at - from, at - from - length]
    if (Math.abs(toStart) <= reach) return -1
    if (Math.abs(toEnd) <= reach) return 1
    return toStart > 0 && toEnd < 0 ? 0 : null
  }
  const x = side(point.x, view.x, width * view.scale)
  const y = side(point.y, view.y, height * view.scale)
  return x === null || y === null || (x === 0 && y === 0) ? null : { x, y }
}

/** What of the frame is drawn anew: all beside the picture, and a seam of it. */
export function grownBoxes({ width, height }: Size, growth: Growth): Box[] {
  const whole = grownSize({ width, height }, growth)
  const { left, up, right, down } = growth
  const boxes: Box[] = []
  if (left > 0) boxes.push({ x: 0, y: 0, width: left + SEAM, height: whole.height })
  if (right > 0) boxes.push({ x: left + width - SEAM, y: 0, width: right + SEAM, height: whole.height })
  if (up > 0) boxes.push({ x: 0, y: 0, width: whole.width, height: up + SEAM })
  if (down > 0) boxes.push({ x: 0, y: up + height - SEAM, width: whole.width, height: down + SEAM })
  return boxes
}
