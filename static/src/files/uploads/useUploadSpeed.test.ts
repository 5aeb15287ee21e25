import { expect, test } from 'vitest'

import { useUploadSpeed } from './useUploadSpeed'

test('the speed is that of the last seconds', () => {
  let now = 0
  const { add, speed } = useUploadSpeed(() => now)
  expect(speed()).toBe(0)
  for (now = 1000; now <= 3000; now += 1000) add(500)
  now = 3000
  expect(speed()).toBe(500)
  now = 20_000
  expect(speed()).toBe(0)
})
