import { expect, test } from 'vitest'

import type { UsageReport } from './api'
import { barsOf, daysOf, measuresOf } from './usage'

const figures = { jobs: 1, gpu_seconds: 2, queue_seconds: 0, pictures: 3, megapixel_steps: 4 }
const row = { ...figures, stored_bytes: 5, unbilled_seconds: 0, cost: 0 }
const report = (rows: UsageReport['rows']): UsageReport => ({
  from: '2026-02-27',
  to: '2026-03-02',
  by: [],
  currency: '',
  rows,
  total: row,
})

test('a chart by day has a bar for each day, also for idle ones', () => {
  const bars = barsOf(report([{ ...row, day: '2026-03-01' }]), 'day', 'pictures', 'rest')
  expect(bars.map(({ name }) => name.slice(5))).toEqual(['02-27', '02-28', '03-01', '03-02'])
  expect(bars.map(({ value }) => value)).toEqual([0, 0, 3, 0])
})

test('the largest users have bars of their own, the others one together', () => {
  const rows = Array.from({ length: 14 }, (_, at) => ({ ...row, user: `u${at}`, pictures: at }))
  const bars = barsOf(report(rows), 'user', 'pictures', 'rest')
  expect(bars).toHaveLength(12)
  expect(bars[0]).toEqual({ name: 'u13', value: 13 })
  expect(bars[11]).toEqual({ name: 'rest', value: 0 + 1 + 2 })
  expect(barsOf(report(rows.slice(0, 12)), 'user', 'jobs', 'rest')).toHaveLength(12)
})

test('periods end today, in UTC', () => {
  const now = new Date('2026-03-02T23:59:59Z')
  expect(daysOf('week', now)).toEqual({ from: '2026-02-24', to: '2026-03-02' })
  expect(daysOf('month', now)).toEqual({ from: '2026-02-01', to: '2026-03-02' })
  expect(daysOf('this', now)).toEqual({ from: '2026-03-01', to: '2026-03-02' })
})

test('prices are shown where there are some', () => {
  expect(measuresOf(row)).not.toContain('cost')
  expect(measuresOf({ ...row, cost: 1 })).toContain('cost')
})
