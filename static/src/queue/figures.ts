/** Figures of the queue as people read them. */
import { formatDuration, formatSize } from '../files/paths'
import type { Quota } from './api'

/** Seconds as `12 s`, `3:05` or `2:03:05`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(Math.round(seconds), 0)
  return whole < 60 ? `${whole} s` : formatDuration(whole)
}

/** An amount of a quota in its own unit. */
export function formatAmount(name: string, amount: number): string {
  if (name === 'stored_bytes') return formatSize(amount)
  return name.startsWith('gpu_seconds') ? formatSeconds(amount) : String(Math.round(amount))
}

/** How much of a quota is taken, 0 to 1. */
export function shareTaken({ limit, used, in_queue }: Quota): number {
  return limit > 0 ? Math.min((used + in_queue) / limit, 1) : 1
}
