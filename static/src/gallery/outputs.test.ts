import { expect, test } from 'vitest'

import { isPicturePath, touchesPictures } from './outputs'

test('pictures below outputs are shown, nothing else is', () => {
  expect(isPicturePath('/data/outputs/txt2img-images/2026-11-30/00000-1.png')).toBe(true)
  expect(isPicturePath('/data/users/ann/outputs/a.WEBP')).toBe(true)
  expect(isPicturePath('/data/outputs/a.txt')).toBe(false)
  expect(isPicturePath('/data/models/Lora/a.png')).toBe(false)
  expect(isPicturePath('/data/outputs')).toBe(false)
})

test('a changed folder or tree may mean pictures', () => {
  const paths = [
    '/data',
    '/data/outputs',
    '/data/outputs/txt2img-images/2026-11-30',
    '/data/users/ann/outputs',
  ]
  for (const path of paths) expect(touchesPictures(path)).toBe(true)
  for (const path of ['/data/models', '/data/models/Lora/a.safetensors', '/data/outputs/a.txt'])
    expect(touchesPictures(path)).toBe(false)
})
