/** Days as `<input type=date>` has them: 2026-11-30. */

/** Midnight before a local day, or after it, in seconds since 1970; null for no day. */
export function secondsOf(day: string, after = false): number | null {
  const found = /^(\d{4})-(\d\d)-(\d\d)$/.exec(day)
  if (!found) return null
  const [year, month, date] = found.slice(1).map(Number) as [number, number, number]
  return new Date(year, month - 1, date + (after ? 1 : 0)).getTime() / 1000
}
