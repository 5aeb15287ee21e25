/** The width of the gallery's pane. */

export interface Panes {
  open: boolean
  width: number // pixels; 0: as the window likes it
}

export const PHONE = '(max-width: 760px)' // one column, and a bar at the foot
export const NARROWEST = 180 // pixels
const WIDEST = 0.5 // of the window
const STEP = 24 // pixels a key moves the edge

/** Keep a width between the narrowest and half of the window. */
export function clampWidth(width: number, windowWidth: number): number {
  return Math.round(Math.min(Math.max(width, NARROWEST), Math.max(NARROWEST, windowWidth * WIDEST)))
}

/** The width that a window likes: two thumbnails, more where there is room. */
export function likedWidth(windowWidth: number): number {
  return clampWidth(Math.min(Math.max(windowWidth * 0.18, 260), 760), windowWidth)
}

/** The width after a key on the pane's left edge; null for a key that moves nothing. */
export function widthByKey(key: string, width: number, windowWidth: number): number | null {
  const widths: Record<string, number> = {
    ArrowLeft: width + STEP,
    ArrowRight: width - STEP,
    Home: NARROWEST,
    End: windowWidth,
  }
  return key in widths ? clampWidth(widths[key]!, windowWidth) : null
}
