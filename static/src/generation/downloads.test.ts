import { expect, test } from 'vitest'

import { fileName } from './downloads'

test('a file is named by the first words of the prompt and the seed', () => {
  const name = (prompt: string) => fileName({ prompt, seed: 7, kind: 'png' })
  expect(name('A red cat, (sitting:1.2)/../x')).toBe('a-red-cat-sitting-1-2-x-7.png')
  expect(name('夜晚的 红房子')).toBe('夜晚的-红房子-7.png')
  expect(name('1 2 3 4 5 6 7 8 9')).toBe('1-2-3-4-5-6-7-8-7.png')
  expect(name('…')).toBe('picture-7.png')
})
