/** How fast bytes go, over the last seconds. */

const SPAN_MS = 6000

export function useSpeed(now: () => number = () => performance.now()) {
  let marks: { at: number; bytes: number }[] = []

  /** So many bytes more have gone. */
  function add(bytes: number) {
    marks.push({ at: now(), bytes })
    marks = marks.filter(({ at }) => at > now() - SPAN_MS)
  }

  /** Bytes a second; 0 when nothing has gone lately. */
  function speed(): number {
    const lately = marks.filter(({ at }) => at > now() - SPAN_MS)
    const first = lately[0]
    if (!first || lately.length < 2) return 0
    const bytes = lately.slice(1).reduce((sum, mark) => sum + mark.bytes, 0)
    return (bytes * 1000) / Math.max(1, now() - first.at)
  }

  return { add, speed }
}
