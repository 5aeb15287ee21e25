/** Which pages of a long list are needed, and which may go. */

export const PAGE_SIZE = 100 // pictures
const MAX_PAGES = 40 // kept in memory

/** The pages that hold the indices from `first` up to, not including, `last`. */
export function pagesOf(first: number, last: number): number[] {
  if (last <= first) return []
  const from = Math.floor(first / PAGE_SIZE)
  const to = Math.floor((last - 1) / PAGE_SIZE)
  return Array.from({ length: to - from + 1 }, (_, at) => from + at)
}

/** Of the pages that are there, those farthest from `near`, beyond what is kept. */
export function pagesToDrop(present: Iterable<number>, near: number): number[] {
  return [...present].sort((a, b) => Math.abs(a - near) - Math.abs(b - near)).slice(MAX_PAGES)
}

/** How many cells of about `wanted` pixels fit beside each other. */
export function columnsFor(width: number, wanted: number, gap: number): number {
  return Math.max(2, Math.floor((width + gap) / (wanted + gap)))
}
