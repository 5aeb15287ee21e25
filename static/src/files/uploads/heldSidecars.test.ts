import { expect, test } from 'vitest'

import { holdSidecars, releaseSidecars } from './heldSidecars'

const pick = (name: string, to?: string) => ({
  file: new File(['x'], name, { lastModified: 5 }),
  inner: '',
  to,
})
const files = [pick('ink.json', '/m'), pick('ink.safetensors', '/m'), pick('a.txt')]
const { now, held } = holdSidecars(files, '/here')
const row = (state: 'waiting' | 'sending' | 'done' | 'skipped' | 'taken', path = '/m/ink.safetensors') => ({
  state,
  path,
})
const names = (released: File[] | null) => released?.map(({ name }) => name)

test('weights and others go at once, what lies beside weights waits', () => {
  expect(now.map(({ file }) => file.name)).toEqual(['ink.safetensors', 'a.txt'])
  expect(held).toMatchObject([{ weights: '/m/ink.safetensors', folder: '/m' }])
  const inner = { ...pick('x.pt'), to: undefined, inner: 'set' }
  const [one] = holdSidecars([inner, { ...pick('x.txt'), inner: 'set' }], '/here').held
  expect(one!.weights).toBe('/here/set/x.pt')
})

test('sidecars go when the name of the weights is certain', () => {
  const [one] = held
  expect(releaseSidecars(one!, row('waiting'), false)).toBeNull()
  expect(releaseSidecars(one!, row('taken'), false)).toBeNull()
  expect(names(releaseSidecars(one!, row('sending'), false))).toEqual(['ink.json'])
  expect(releaseSidecars(one!, row('sending'), true)).toBeNull()
  expect(names(releaseSidecars(one!, row('skipped'), false))).toEqual(['ink.json'])
  expect(releaseSidecars(one!, undefined, false)).toEqual([])
})

test('weights that got another name give it to what lies beside them', () => {
  const [file] = releaseSidecars(held[0]!, row('done', '/m/ink (1).safetensors'), true)!
  expect([file!.name, file!.lastModified]).toEqual(['ink (1).json', 5])
})
