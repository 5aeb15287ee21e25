/** Virtual list with rows of equal height. */

const MAX_HEIGHT = 12_000_000 // pixels; browsers cut off taller elements (Firefox near 17.8 million)

export interface VisibleRows {
  first: number // row
  last: number // row, not included
  top: number // pixels from the top of the whole to the first row
  height: number // pixels of the whole
}

/** The visible rows and `overscan` more on each side. */
export function findVisibleRows(
  scrollTop: number,
  viewportHeight: number,
  rows: number,
  row: number,
  overscan = 6,
): VisibleRows {
  const fullHeight = rows * row
  const height = Math.min(fullHeight, MAX_HEIGHT)
  // A list taller than browsers allow scrolls faster than its scroll bar.
  const scrollRange = height - viewportHeight
  const at =
    scrollRange > 0 ? (Math.min(scrollTop, scrollRange) / scrollRange) * (fullHeight - viewportHeight) : 0
  const first = Math.max(0, Math.floor(at / row) - overscan)
  const last = Math.min(rows, Math.ceil((at + viewportHeight) / row) + overscan)
  return {
    first,
    last: Math.max(first, last),
    top: Math.min(scrollTop, Math.max(scrollRange, 0)) - at + first * row,
    height,
  }
}

/** The scroll offset at which a row is fully visible; unchanged if it is already. */
export function scrollOffsetFor(
  index: number,
  scrollTop: number,
  viewportHeight: number,
  rows: number,
  row: number,
): number {
  const fullHeight = rows * row
  const height = Math.min(fullHeight, MAX_HEIGHT)
  const scrollRange = Math.max(0, height - viewportHeight)
  const spread = scrollRange > 0 ? (fullHeight - viewportHeight) / scrollRange : 1
  const at = scrollTop * spread
  if (index * row < at) return (index * row) / spread
  if ((index + 1) * row > at + viewportHeight) return ((index + 1) * row - viewportHeight) / spread
  return scrollTop
}
