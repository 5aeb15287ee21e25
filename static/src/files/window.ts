/** Which rows of a long list lie in sight; all rows are of one height. */

const TALLEST = 12_000_000 // pixels; browsers cut off taller elements (Firefox near 17.8 million)

export interface Sight {
  first: number // row
  last: number // row, not included
  top: number // pixels from the top of the whole to the first row
  height: number // pixels of the whole
}

/** Rows around what is scrolled to, `spare` more on each side. */
export function inSight(scrolled: number, tall: number, rows: number, row: number, spare = 6): Sight {
  const whole = rows * row
  const height = Math.min(whole, TALLEST)
  // A list taller than a browser can hold moves faster than its scroll bar.
  const room = height - tall
  const at = room > 0 ? (Math.min(scrolled, room) / room) * (whole - tall) : 0
  const first = Math.max(0, Math.floor(at / row) - spare)
  const last = Math.min(rows, Math.ceil((at + tall) / row) + spare)
  return { first, last: Math.max(first, last), top: Math.min(scrolled, Math.max(room, 0)) - at + first * row, height }
}

/** Where to scroll so that a row is seen whole; as it is where it is seen already. */
export function revealing(index: number, scrolled: number, tall: number, rows: number, row: number): number {
  const whole = rows * row
  const height = Math.min(whole, TALLEST)
  const room = Math.max(0, height - tall)
  const spread = room > 0 ? (whole - tall) / room : 1
  const at = scrolled * spread
  if (index * row < at) return (index * row) / spread
  if ((index + 1) * row > at + tall) return ((index + 1) * row - tall) / spread
  return scrolled
}
