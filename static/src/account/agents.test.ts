import { expect, test } from 'vitest'

import { nameAgent } from './agents'

test('browsers and systems are called by their names, programs by their own', () => {
  const chrome = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36'
  expect(nameAgent(chrome)).toBe('Chrome · Windows')
  expect(nameAgent(`${chrome} Edg/140.0`)).toBe('Edge · Windows')
  expect(nameAgent('Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1')).toBe(
    'Safari · iPhone',
  )
  expect(nameAgent('python-requests/2.32')).toBe('python-requests/2.32')
  expect(nameAgent('')).toBe('—')
})
