import type { TusDetailedError } from '@uppy/tus'
import { expect, test } from 'vitest'

import { useUploadSpeed } from './useUploadSpeed'
import { isSame, pieceSize, formatModified, shouldRetry } from './useUploads'

const begun = { path: '/data/models/Lora/fox.safetensors', size: 10, modified: 5 }

test('an upload goes on only with the file that it began with', () => {
  const file = { name: 'fox.safetensors', size: 10, lastModified: 5 }
  expect(isSame(begun, file)).toBe(true)
  expect(isSame(begun, { ...file, size: 11 })).toBe(false)
  expect(isSame(begun, { ...file, lastModified: 6 })).toBe(false)
  expect(isSame(begun, { ...file, name: 'cat.safetensors' })).toBe(false)
  expect(isSame({ ...begun, modified: null }, { ...file, lastModified: 6 })).toBe(true)
})

test('pieces are small on a slow line and below 100 MB on a fast one', () => {
  expect(pieceSize(0)).toBeLessThanOrEqual(8 << 20)
  expect(pieceSize(1e9)).toBeLessThan(100e6)
})

test('speed is of the last seconds and ends with them', () => {
  let now = 0
  const { add, speed } = useUploadSpeed(() => now)
  for (now = 0; now <= 4000; now += 1000) add(1_000_000)
  now = 4000
  expect(speed()).toBeCloseTo(1_000_000, -3)
  now = 60_000
  expect(speed()).toBe(0)
})

test('a full disk waits for the reader, a broken piece is sent again', () => {
  const answered = (status: number, method = 'PATCH') =>
    ({
      originalResponse: { getStatus: () => status },
      originalRequest: { getMethod: () => method },
    }) as TusDetailedError
  expect(shouldRetry(answered(507), () => true)).toBe(false)
  expect(shouldRetry(answered(409, 'POST'), () => true)).toBe(false)
  expect(shouldRetry(answered(460), () => false)).toBe(true)
  expect(shouldRetry(answered(503), () => true)).toBe(true)
})

test('the time of a file is told unless the service would refuse it', () => {
  expect(formatModified({ lastModified: 5 })).toBe('1970-01-01T00:00:00.005Z')
  expect([-1, NaN, 253402300800000].map((lastModified) => formatModified({ lastModified }))).toEqual([
    '',
    '',
    '',
  ])
})
