import { expect, test } from 'vitest'

import { groupSidecars, renameSidecar } from './sidecars'

const pick = (name: string, inner = '') => ({ file: new File(['x'], name), inner })

test('what lies beside weights under their name belongs to them', () => {
  const names = [
    'ink.safetensors', 'ink.json', 'ink.preview.PNG', 'ink.civitai.info', 'ink.txt', 'ink.yaml',
    'ink.v2.safetensors', 'ink.v2.png', 'inky.png', 'ink.zip', 'notes.txt',
  ] // prettier-ignore
  const files = names.map((name) => pick(name))
  const groups = groupSidecars([...files, pick('ink.json', 'other')])
  const told = [...groups].map(([one, owner]) => `${one.file.name} ${owner.file.name}`)
  expect(told).toEqual([
    'ink.json ink.safetensors',
    'ink.preview.PNG ink.safetensors',
    'ink.civitai.info ink.safetensors',
    'ink.txt ink.safetensors',
    'ink.yaml ink.safetensors',
    'ink.v2.png ink.v2.safetensors',
  ])
})

test('a sidecar gets the name that its weights got', () => {
  expect(renameSidecar('ink.preview.png', 'ink.safetensors', 'ink (1).safetensors')).toBe(
    'ink (1).preview.png',
  )
})
