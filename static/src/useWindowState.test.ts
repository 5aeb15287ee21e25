import { expect, test } from 'vitest'
import { nextTick } from 'vue'

import { claimStorages, fillFlat, useWindowState } from './useWindowState'

function storage(): Storage {
  const kept = new Map<string, string>()
  return {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, text: string) => void kept.set(key, text),
    clear: () => kept.clear(),
  } as unknown as Storage
}

const fields = { prompt: '', steps: 20 }
const open = (storages: { window: Storage; last: Storage }) =>
  useWindowState('easel.fields', { ...fields }, fillFlat, storages)

test('two windows have fields of their own, and a third begins from the last', async () => {
  const last = storage()
  const [one, other] = [
    { window: storage(), last },
    { window: storage(), last },
  ]
  const [first, second] = [open(one), open(other)]
  first.value.prompt = 'a cat'
  await nextTick()
  second.value.prompt = 'a dog'
  await nextTick()
  expect(first.value.prompt).toBe('a cat')
  expect(open(one).value.prompt).toBe('a cat') // after a reload
  expect(open({ window: storage(), last }).value.prompt).toBe('a dog')
})

test('damaged state is no state, and what is missing is filled in', () => {
  const [window, last] = [storage(), storage()]
  window.setItem('easel.fields', '{')
  last.setItem('easel.fields', '{"prompt":"a cat"}')
  expect(open({ window, last }).value).toEqual({ prompt: 'a cat', steps: 20 })
})

test('what another user left in a storage is forgotten, that alone', () => {
  const [window, last] = [storage(), storage()]
  const forget = (each: Storage) => each.clear()
  expect(claimStorages('ann', forget, { window, last })).toBe(false)
  window.setItem('easel.fields', 'of ann')
  last.clear() // ann has logged out elsewhere
  last.setItem('easel.fields', 'of bob')
  expect(claimStorages('bob', forget, { window, last })).toBe(true)
  expect([window, last].map((each) => each.getItem('easel.fields'))).toEqual([null, 'of bob'])
  expect(claimStorages('bob', forget, { window, last })).toBe(false)
})
