import { expect, test } from 'vitest'

import {
  currentPlace,
  currentTab,
  goTo,
  pendingTransfer,
  sendParts,
  sendPrompt,
  sendTo,
  takeTransfer,
  useOpened,
  useOpenedView,
} from './navigation'

test('a picture for inpainting opens image to image, and is taken once', () => {
  const image = new Blob(['x'])
  sendTo('inpaint', image, 'a cat', true)
  expect(currentTab.value).toBe('img2img')
  expect(takeTransfer('txt2img', 'extras')).toBeNull()
  expect(takeTransfer('img2img', 'inpaint')).toEqual({ to: 'inpaint', image, infotext: 'a cat', again: true })
  expect(pendingTransfer.value).toBeNull()
  expect(takeTransfer('inpaint')).toBeNull()
})

test('a prompt alone carries no picture', () => {
  sendPrompt('txt2img', 'a dog', 'cats')
  expect(currentTab.value).toBe('txt2img')
  expect(takeTransfer('txt2img')).toMatchObject({ image: null, words: { prompt: 'a dog', negative: 'cats' } })
})

test('a seed alone goes into the form that is named', () => {
  sendParts('img2img', { seed: 41 })
  expect(currentTab.value).toBe('img2img')
  expect(takeTransfer('img2img')).toMatchObject({ image: null, infotext: '', seed: 41 })
})

test('a place is a section with what is open in it, which each section keeps', () => {
  goTo({ section: 'files', rest: 'data/outputs' })
  expect(currentPlace.value).toEqual({ section: 'files', rest: 'data/outputs' })
  useOpened('files').value = 'data'
  goTo({ section: 'settings', rest: '' })
  currentTab.value = 'files'
  expect(currentPlace.value).toEqual({ section: 'files', rest: 'data' })
})

test('a view is open where the place names one that there is', () => {
  const view = useOpenedView('models', () => ['cards', 'train'] as const)
  goTo({ section: 'models', rest: 'train' })
  expect(view.value).toBe('train')
  goTo({ section: 'models', rest: 'nothing' })
  expect(view.value).toBe('cards')
  view.value = 'train'
  view.value = 'cards'
  expect(currentPlace.value.rest).toBe('')
})
