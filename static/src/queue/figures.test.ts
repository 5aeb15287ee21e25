import { expect, test } from 'vitest'

import { formatAmount, formatSeconds, shareTaken } from './figures'

test('seconds are told in minutes and hours where there are some', () => {
  expect([0, -3, 12.4, 65, 3599.6, 7385].map(formatSeconds)).toEqual([
    '0 s',
    '0 s',
    '12 s',
    '1:05',
    '1:00:00',
    '2:03:05',
  ])
})

test('amounts have their own unit', () => {
  expect(formatAmount('gpu_seconds_day', 90)).toBe('1:30')
  expect(formatAmount('pictures_month', 12)).toBe('12')
  expect(formatAmount('stored_bytes', 2048)).toMatch(/2.*K/)
})

test('what jobs in the queue will take counts as taken', () => {
  const quota = { name: 'pictures_day', group: null, limit: 10, used: 4, in_queue: 1, resets_at: null }
  expect(shareTaken(quota)).toBe(0.5)
  expect(shareTaken({ ...quota, used: 40 })).toBe(1)
  expect(shareTaken({ ...quota, limit: 0, used: 0, in_queue: 0 })).toBe(1)
})
