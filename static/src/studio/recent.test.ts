import { expect, test } from 'vitest'

import { isPicturePath } from './recent'

test('pictures below outputs are shown, nothing else is', () => {
  expect(isPicturePath('/data/outputs/txt2img-images/2026-11-30/00000-1.png')).toBe(true)
  expect(isPicturePath('/data/users/ann/outputs/a.WEBP')).toBe(true)
  expect(isPicturePath('/data/outputs/a.txt')).toBe(false)
  expect(isPicturePath('/data/models/Lora/a.png')).toBe(false)
  expect(isPicturePath('/data/outputs')).toBe(false)
})
