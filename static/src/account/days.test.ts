import { expect, test } from 'vitest'

import { secondsOf } from './days'

test('a day lasts from one local midnight to the next', () => {
  const [begin, end] = [secondsOf('2026-11-30')!, secondsOf('2026-11-30', true)!]
  expect(new Date(begin * 1000).toString()).toContain('Nov 30 2026 00:00:00')
  expect(new Date(end * 1000).toString()).toContain('Dec 01 2026 00:00:00')
  expect(secondsOf('')).toBeNull()
  expect(secondsOf('30.11.2026')).toBeNull()
})
