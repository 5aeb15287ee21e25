/** One look at several pictures: the same part of each, at the same scale. */

export interface Look {
  scale: number // 1: the whole picture fits
  x: number // how far the picture is moved, as a share of its pane
  y: number
}

export const WHOLE: Readonly<Look> = { scale: 1, x: 0, y: 0 }
const MAX_SCALE = 16

/** The look after a zoom by `factor` at a point, which stays where it is; from -0.5 to 0.5 of the pane. */
export function zoomAt(look: Look, factor: number, pointX: number, pointY: number): Look {
  const scale = Math.min(MAX_SCALE, Math.max(1, look.scale * factor))
  const ratio = scale / look.scale
  return within({ scale, x: pointX - (pointX - look.x) * ratio, y: pointY - (pointY - look.y) * ratio })
}

/** The look after it was dragged by a share of the pane. */
export function panBy(look: Look, x: number, y: number): Look {
  return within({ ...look, x: look.x + x, y: look.y + y })
}

/** No further than that the picture still fills the pane. */
function within({ scale, x, y }: Look): Look {
  const most = (scale - 1) / 2
  return { scale, x: clamp(x, most), y: clamp(y, most) }
}

function clamp(value: number, most: number): number {
  return Math.min(most, Math.max(-most, value)) + 0 // no negative zero
}

export function transformOf({ scale, x, y }: Look): string {
  return `translate(${x * 100}%, ${y * 100}%) scale(${scale})`
}
