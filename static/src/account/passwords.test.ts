import { expect, test } from 'vitest'

import { makePassword } from './passwords'

test('a password is five groups of four unmistakable characters', () => {
  expect(makePassword()).toMatch(/^([a-km-np-z2-9]{4}-){4}[a-km-np-z2-9]{4}$/)
  expect(makePassword((bytes) => bytes.fill(255))).toBe('9999-9999-9999-9999-9999')
  expect(new Set(Array.from({ length: 50 }, () => makePassword())).size).toBe(50)
})
