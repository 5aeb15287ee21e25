import { expect, test } from 'vitest'

import { ACTIONS, formFor, offeredActions, seedOf, type Surroundings } from './actions'

const ALL: Surroundings = {
  rights: { draw: true, change: true, own: true },
  sections: new Set(['txt2img', 'img2img', 'extras']),
  hasControl: true,
  hasFiles: true,
}
const SAVED = { known: null, maySave: true }
const names = (picture: { known: string | null; maySave: boolean }, change: Partial<Surroundings> = {}) =>
  offeredActions(picture, { ...ALL, ...change }).map(({ name }) => name)

test('a saved picture may go everywhere', () => {
  expect(names(SAVED)).toEqual(ACTIONS.map(({ name }) => name))
})

test('who may only look may save a copy, and nothing else', () => {
  expect(names(SAVED, { rights: { draw: false, change: false, own: false } })).toEqual(['download'])
})

test('who draws with a token alone shares and deletes nothing', () => {
  expect(names(SAVED, { rights: { draw: true, change: false, own: false } })).not.toContain('delete')
})

test('a picture that tells nothing has no settings to take', () => {
  const offered = names({ known: '', maySave: true })
  expect(offered).not.toContain('settings')
  expect(offered).not.toContain('seed')
  expect(offered).toContain('source')
})

test('what is on no disk is neither shared nor deleted', () => {
  expect(names({ known: 'a cat', maySave: false }).slice(-2)).toEqual(['seed', 'download'])
  expect(names(SAVED, { hasFiles: false })).not.toContain('share')
})

test('nothing is sent into a section that is hidden, or to what the service lacks', () => {
  expect(names(SAVED, { sections: new Set(['txt2img']), hasControl: false })).toEqual([
    'settings',
    'prompt',
    'seed',
    'download',
    'share',
    'delete',
  ])
})

test('settings go into the open form, else into the first', () => {
  expect(formFor('img2img', ALL.sections)).toBe('img2img')
  expect(formFor('gallery', ALL.sections)).toBe('txt2img')
  expect(formFor('gallery', new Set(['img2img']))).toBe('img2img')
})

test('the seed of an infotext, not that of a variation', () => {
  expect(seedOf('a cat\nSteps: 2, Seed: 41, Variation seed: 7')).toBe(41)
  expect(seedOf('a cat\nSteps: 2, Variation seed: 7')).toBeNull()
})
