/** Upload speed over the last seconds. */

const SPAN_MS = 6000

export function useUploadSpeed(now: () => number = () => performance.now()) {
  let samples: { at: number; bytes: number }[] = []

  /** Record sent bytes. */
  function add(bytes: number) {
    samples.push({ at: now(), bytes })
    samples = samples.filter(({ at }) => at > now() - SPAN_MS)
  }

  /** Bytes a second; 0 if nothing was sent lately. */
  function speed(): number {
    const recent = samples.filter(({ at }) => at > now() - SPAN_MS)
    const first = recent[0]
    if (!first || recent.length < 2) return 0
    const bytes = recent.slice(1).reduce((sum, mark) => sum + mark.bytes, 0)
    return (bytes * 1000) / Math.max(1, now() - first.at)
  }

  return { add, speed }
}
