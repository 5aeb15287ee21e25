import { expect, test } from 'vitest'

import { findPictures, toBlob } from './pictures'

test('of what is dropped only pictures are taken', () => {
  const files = [
    new File([''], 'a.png', { type: 'image/png' }),
    new File([''], 'a.txt', { type: 'text/plain' }),
  ]
  expect(findPictures({ files } as unknown as DataTransfer).map(({ name }) => name)).toEqual(['a.png'])
  expect(findPictures(null)).toEqual([])
})

test('base64 becomes the bytes that it stands for', async () => {
  const blob = toBlob(btoa('\x89PNG\x00\xff'))
  expect(blob.type).toBe('image/png')
  expect([...new Uint8Array(await blob.arrayBuffer())]).toEqual([0x89, 80, 78, 71, 0, 255])
})
