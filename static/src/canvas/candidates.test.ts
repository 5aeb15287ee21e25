import { expect, test } from 'vitest'

import { findShown, moveShown, newCandidates, NO_CANDIDATES, throwAway } from './candidates'

const candidate = (key: number) => ({ key, url: `blob:${key}`, blob: new Blob() })
const three = newCandidates([1, 2, 3].map(candidate))

test('the first of a batch is shown', () => {
  expect(findShown(three)).toEqual(candidate(1))
  expect(findShown(newCandidates([]))).toBeNull()
})

test('the next takes the place of one that is thrown away', () => {
  const two = throwAway(three)
  expect([two.list.length, two.shown]).toEqual([2, 2])
  const last = throwAway({ ...two, shown: 3 })
  expect(last).toEqual({ list: [candidate(2)], shown: 2 })
  expect(throwAway(last)).toEqual(NO_CANDIDATES)
  expect(throwAway({ ...three, shown: null }).list).toHaveLength(3) // the original stays
})

test('one goes round through all and the original', () => {
  const keys = [1, 2, 3, 4].map((by) => moveShown(three, by).shown)
  expect(keys).toEqual([2, 3, null, 1])
  expect(moveShown(three, -1).shown).toBeNull()
})
