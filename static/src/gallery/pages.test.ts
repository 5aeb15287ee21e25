import { expect, test } from 'vitest'

import { NO_FILTER, pageQuery } from './api'
import { columnsFor, PAGE_SIZE, pagesOf, pagesToDrop } from './pages'

test('the pages between two indices', () => {
  expect(pagesOf(0, 0)).toEqual([])
  expect(pagesOf(0, 1)).toEqual([0])
  expect(pagesOf(0, PAGE_SIZE)).toEqual([0])
  expect(pagesOf(PAGE_SIZE - 1, PAGE_SIZE + 1)).toEqual([0, 1])
  expect(pagesOf(49_900, 50_000)).toEqual([499])
})

test('pages far from what is in sight are dropped', () => {
  expect(pagesToDrop([0, 1, 2], 1)).toEqual([])
  const many = Array.from({ length: 43 }, (_, at) => at)
  expect(pagesToDrop(many, 42).sort()).toEqual([0, 1, 2])
  expect(pagesToDrop(many, 0).sort()).toEqual([40, 41, 42])
})

test('at least two columns, and as many as fit', () => {
  expect(columnsFor(0, 132, 8)).toBe(2)
  expect(columnsFor(412, 132, 8)).toBe(3)
  expect(columnsFor(411, 132, 8)).toBe(2)
})

test('a query says only what is asked for', () => {
  expect(pageQuery(NO_FILTER, 0, 100)).toBe('offset=0&limit=100')
  const filter = { ...NO_FILTER, q: ' red house ', since: '2026-11-01', stars: 3, rejects: 'hidden' } as const
  expect(pageQuery(filter, 100, 50)).toBe(
    'q=red+house&since=2026-11-01&stars=3&rejected=0&offset=100&limit=50',
  )
})
