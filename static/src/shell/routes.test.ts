import { expect, test } from 'vitest'

import { hiddenPlaces, isStep, placeOf, readHash, shownSections, writeHash } from './routes'

test('an address names a section and what is open in it', () => {
  expect(readHash('')).toBeNull()
  expect(readHash('#')).toBeNull()
  expect(readHash('#settings')).toEqual({ section: 'settings', rest: '' })
  expect(readHash('#files/data/my%20pictures')).toEqual({ section: 'files', rest: 'data/my pictures' })
  expect(readHash('#plugin/clock/0')).toEqual({ section: 'plugin/clock/0', rest: '' })
  expect(readHash('#files/100%')).toEqual({ section: 'files', rest: '100%' })
})

test('what is written is read again', () => {
  for (const place of [
    { section: 'txt2img', rest: '' },
    { section: 'gallery', rest: 'data/outputs/a #1/50 %.png' },
    { section: 'plugin/clock/0', rest: '' },
  ])
    expect(readHash(writeHash(place))).toEqual(place)
})

test("AUTOMATIC1111's names, labels and ids lead to the same place", () => {
  for (const name of ['modelmerger', 'Checkpoint Merger', 'tab_modelmerger'])
    expect(placeOf(name)).toEqual({ section: 'models', rest: 'make' })
  for (const name of ['pnginfo', 'PNG Info', 'tab_pnginfo'])
    expect(placeOf(name)).toEqual({ section: 'pnginfo', rest: '' })
  expect(readHash('#Train')).toEqual({ section: 'models', rest: 'train' })
  expect(readHash('#tab_img2img')).toEqual({ section: 'img2img', rest: '' })
  expect(readHash('#inpaint')).toEqual({ section: 'img2img', rest: 'inpaint' })
  expect(readHash('#Extras')).toEqual({ section: 'extras', rest: '' })
})

test('going back comes by sections, folders and the list, not by each picture and mode', () => {
  const at = (section: string, rest = '') => ({ section, rest })
  expect(isStep(at('txt2img'), at('img2img'))).toBe(true)
  expect(isStep(at('files'), at('files', 'data'))).toBe(false)
  expect(isStep(at('files', 'data'), at('files', 'data/outputs'))).toBe(true)
  expect(isStep(at('gallery'), at('gallery', 'a.png'))).toBe(true)
  expect(isStep(at('gallery', 'a.png'), at('gallery', 'b.png'))).toBe(false)
  expect(isStep(at('img2img'), at('img2img', 'sketch'))).toBe(false)
})

const SECTIONS = [
  { name: 'txt2img' },
  { name: 'models' },
  { name: 'settings' },
  { name: 'plugin/a/0', title: 'Civitai Helper' },
  { name: 'account', apart: true },
]
const names = (hidden: ReadonlySet<string>) => shownSections(SECTIONS, hidden).map(({ name }) => name)

test('sections are hidden by any of their names', () => {
  const hidden = hiddenPlaces(['Checkpoint Merger', 'Civitai Helper', 'txt2img'])
  expect(names(hidden)).toEqual(['models', 'settings', 'account'])
  expect(hidden.has('models/make')).toBe(true)
  expect(names(hiddenPlaces())).toHaveLength(SECTIONS.length)
})

test('one section is left, whatever is hidden', () => {
  const all = hiddenPlaces(['txt2img', 'models', 'settings', 'civitai helper'])
  expect(names(all)).toEqual(['txt2img', 'account'])
})
