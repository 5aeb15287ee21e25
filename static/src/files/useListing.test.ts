import { expect, test } from 'vitest'

import { PAGE, useListing, type Item, type Source } from './useListing'

function folder(count: number, asked: number[] = []): Source {
  return async (offset, limit) => {
    asked.push(offset)
    const names = Array.from(
      { length: Math.max(0, Math.min(limit, count - offset)) },
      (_, at) => `f${offset + at}`,
    )
    const entries = names.map((name): Item => ({
      name,
      path: `/data/${name}`,
      kind: 'file',
      size: 1,
      modified: 0,
    }))
    return { total: count, entries }
  }
}
const raise = (error: unknown) => {
  throw error
}
const soon = () => new Promise((done) => setTimeout(done))

test('only the pages in sight are asked for, each once', async () => {
  const asked: number[] = []
  const listing = useListing(raise)
  await listing.open(folder(100_000, asked))
  listing.ensureLoaded(50_000, 50_030)
  listing.ensureLoaded(50_010, 50_040)
  await soon()
  expect(asked).toEqual([0, 50_000])
  expect(listing.at(50_005)?.name).toBe('f50005')
  expect(listing.at(40_000)).toBeUndefined()
})

test('a span over pages that are not there is fetched', async () => {
  const listing = useListing(raise)
  await listing.open(folder(5000))
  const entries = await listing.span(150, 4990)
  expect(entries.length).toBe(4840)
  expect(entries.at(-1)?.name).toBe('f4989')
})

test('what is shown stays until the new answer is there', async () => {
  let count = 3
  const listing = useListing(raise)
  await listing.open((offset, limit) => folder(count)(offset, limit))
  count = 2
  const renewed = listing.refresh()
  expect(listing.total.value).toBe(3)
  await renewed
  expect(listing.total.value).toBe(2)
  expect(listing.at(2)).toBeUndefined()
})

test('a reload that a later one overtakes ends with it', async () => {
  const waiting: (() => void)[] = []
  const listing = useListing(raise)
  await listing.open(folder(3))
  const slow: Source = async (offset, limit) => {
    await new Promise<void>((done) => waiting.push(done))
    return folder(4)(offset, limit)
  }
  void listing.open(slow)
  let over = false
  const first = listing.refresh().then(() => (over = true))
  void listing.refresh()
  waiting[0]!()
  waiting[1]!()
  await soon()
  expect(over).toBe(false)
  waiting[2]!()
  await first
  expect(listing.at(3)?.name).toBe('f3')
})

test('a late answer of the folder before is not shown', async () => {
  const listing = useListing(raise)
  let answer: (() => void) | null = null
  const slow: Source = async (offset, limit) => {
    await new Promise<void>((done) => (answer = done))
    return folder(9)(offset, limit)
  }
  const first = listing.open(slow)
  await listing.open(folder(2))
  answer!()
  await first
  expect(listing.total.value).toBe(2)
})

test('a page that failed is told and asked for again', async () => {
  const faults: unknown[] = []
  let broken = true
  const source: Source = (offset, limit) =>
    broken && offset > 0 ? Promise.reject(new Error('x')) : folder(1000)(offset, limit)
  const listing = useListing((error) => faults.push(error))
  await listing.open(source)
  listing.ensureLoaded(PAGE, PAGE + 10)
  await soon()
  expect(faults.length).toBe(1)
  broken = false
  listing.ensureLoaded(PAGE, PAGE + 10)
  await soon()
  expect(listing.at(PAGE)?.name).toBe(`f${PAGE}`)
})
