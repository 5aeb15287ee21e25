/** Movement by arrow keys in the entry list. */

/** The index that a key moves to; null for other keys. */
export function indexAfterKey(
  { key, altKey }: Pick<KeyboardEvent, 'key' | 'altKey'>,
  from: number,
  total: number,
  columns: number,
  page: number,
): number | null {
  const steps: Record<string, number> = {
    ArrowDown: columns,
    ArrowUp: -columns,
    PageDown: page,
    PageUp: -page,
    ...(columns > 1 ? { ArrowRight: 1, ArrowLeft: -1 } : {}),
  }
  if (altKey) return null
  if (key === 'Home') return 0
  if (key === 'End') return Math.max(0, total - 1)
  const step = steps[key]
  if (step === undefined) return null
  if (from < 0) return 0
  const next = from + step
  // Past the ends, arrow keys stay and page keys go to the end.
  if (next >= 0 && next < total) return next
  return key.startsWith('Page') ? Math.max(0, Math.min(total - 1, next)) : from
}
