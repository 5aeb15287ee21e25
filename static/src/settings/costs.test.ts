import { expect, test } from 'vitest'

import { formatSeconds, memoryLine } from './costs'

const GIB = 1024 ** 3

test('seconds are told as AUTOMATIC1111 tells them', () => {
  expect([3.24, 59.9, 65].map(formatSeconds)).toEqual(['3.2 s', '59.9 s', '1 min 5.0 s'])
})

test('memory is that of the devices, without one that of the machine', () => {
  const ram = { used: 2 * GIB, total: 16 * GIB }
  expect(memoryLine({ ram, cuda: { error: 'unavailable' } })).toBe('RAM: 2.0 GB / 16.0 GB')
  const cuda = {
    system: { used: 4 * GIB, total: 16 * GIB },
    active: { peak: 1.5 * GIB },
    reserved: { peak: 3 * GIB },
  }
  expect(memoryLine({ ram, cuda })).toBe('A: 1.5 GB, R: 3.0 GB, Sys: 4.0 GB / 16.0 GB (25.0%)')
})
