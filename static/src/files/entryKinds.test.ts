import { expect, test } from 'vitest'

import { isUnreadable, previewKindOf } from './entryKinds'

test.each([
  ['a.png', 'image', 'picture'],
  ['a.md', 'markdown', 'markdown'],
  ['a.safetensors', 'model', 'weights'],
  ['a.CKPT', 'model', 'pickle'],
  ['a.onnx', 'model', 'nothing'],
  ['a', 'file', 'nothing'],
] as const)('%s of kind %s is previewed as %s', (name, kind, preview) => {
  expect(previewKindOf({ name, kind })).toBe(preview)
})

test('links and special files cannot be opened', () => {
  expect((['link', 'special', 'file', 'folder'] as const).map(isUnreadable)).toEqual([
    true,
    true,
    false,
    false,
  ])
})
