/** Usage as chart and table show it. */
import type { UsageBy, UsageFigures, UsageReport } from './api'

export const MEASURES = ['gpu_seconds', 'pictures', 'jobs', 'megapixel_steps', 'cost'] as const
export type Measure = (typeof MEASURES)[number]

export interface Bar {
  name: string
  value: number
}

const MAX_BARS = 12 // of users, groups or models; the others are one bar
const DAY_MS = 86_400_000
const MAX_DAYS = 400 // that a chart shows one by one

/** The bars of a chart: each day of the period, or the largest of the others and the rest. */
export function barsOf(report: UsageReport, by: UsageBy, measure: Measure, rest: string): Bar[] {
  const bars = report.rows.map((row) => ({ name: row[by] ?? '', value: row[measure] }))
  if (by === 'day') return everyDay(report, bars)
  bars.sort((one, other) => other.value - one.value)
  if (bars.length <= MAX_BARS) return bars
  const value = bars.slice(MAX_BARS - 1).reduce((sum, bar) => sum + bar.value, 0)
  return [...bars.slice(0, MAX_BARS - 1), { name: rest, value }]
}

/** The bars of all days, also of those on which nothing was drawn. */
function everyDay({ from, to }: UsageReport, bars: Bar[]): Bar[] {
  const known = new Map(bars.map(({ name, value }) => [name, value]))
  const days: Bar[] = []
  for (let at = Date.parse(from); at <= Date.parse(to) && days.length < MAX_DAYS; at += DAY_MS) {
    const name = new Date(at).toISOString().slice(0, 10)
    days.push({ name, value: known.get(name) ?? 0 })
  }
  return days
}

export type Period = 'week' | 'month' | 'this'

/** The first and last day of a period that ends today; days are those of UTC, as the ledger's. */
export function daysOf(period: Period, now = new Date()): { from: string; to: string } {
  const to = now.toISOString().slice(0, 10)
  if (period === 'this') return { from: `${to.slice(0, 8)}01`, to }
  const length = period === 'week' ? 7 : 30
  return { from: new Date(Date.parse(to) - (length - 1) * DAY_MS).toISOString().slice(0, 10), to }
}

/** Figures that somebody has: prices only where there are some. */
export function measuresOf(total: UsageFigures | undefined): readonly Measure[] {
  return MEASURES.filter((measure) => measure !== 'cost' || (total?.cost ?? 0) > 0)
}
