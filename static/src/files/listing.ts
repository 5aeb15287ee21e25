/** A folder's entries or what a search found: fetched page by page as they come into sight. */
import { computed, ref, shallowRef } from 'vue'

import type { Entry } from './api'

export const PAGE = 200 // entries asked for at once
const LONGEST = 2000 // entries asked for at once when a whole span is wanted
const TOGETHER = 3 // such questions at the same time

/** An entry with the path by which the verbs know it. */
export interface Item extends Entry {
  path: string
}

export interface Part {
  total: number
  entries: Item[]
}

/** Gives `limit` entries from `offset` on. */
export type Source = (offset: number, limit: number) => Promise<Part>

export type Listing = ReturnType<typeof useListing>

export function useListing(onError: (error: unknown) => void) {
  const total = ref(0)
  const pages = shallowRef<ReadonlyMap<number, Item[]>>(new Map())
  const loading = ref(false) // nothing of the present source has come yet
  const known = computed(() => [...pages.value.values()].flat())
  let source: Source | null = null
  let asked = new Set<number>()
  let round = 0 // answers of an earlier round are not kept
  let seen = { first: 0, last: PAGE }

  /** Show another source from its beginning. */
  async function open(next: Source) {
    source = next
    seen = { first: 0, last: PAGE }
    total.value = 0
    pages.value = new Map()
    loading.value = true
    await renew()
  }

  /** The same source again: what is shown stays until the new answer is there. */
  async function renew() {
    if (!source) return
    const mine = ++round
    asked = new Set()
    const fresh = new Map<number, Item[]>()
    const first = Math.floor(seen.first / PAGE)
    const last = Math.max(first, Math.floor(Math.max(0, seen.last - 1) / PAGE))
    for (let page = first; page <= last; page++) asked.add(page)
    try {
      for (let page = first; page <= last; page++) {
        const part = await source(page * PAGE, PAGE)
        if (mine !== round) return
        fresh.set(page, part.entries)
        total.value = part.total
      }
      pages.value = fresh
      loading.value = false
    } catch (error) {
      if (mine !== round) return
      loading.value = false
      onError(error)
    }
  }

  /** These rows are in sight (`last` not included). */
  function need(first: number, last: number) {
    seen = { first, last }
    if (!source || loading.value) return
    const end = Math.min(last, total.value)
    for (let page = Math.floor(first / PAGE); page * PAGE < end; page++) {
      if (!asked.has(page)) void fetchPage(page)
    }
  }

  async function fetchPage(page: number) {
    const mine = round
    asked.add(page)
    try {
      const part = await source!(page * PAGE, PAGE)
      if (mine !== round) return
      pages.value = new Map(pages.value).set(page, part.entries)
      total.value = part.total
    } catch (error) {
      asked.delete(page)
      if (mine === round) onError(error)
    }
  }

  function at(index: number): Item | undefined {
    return pages.value.get(Math.floor(index / PAGE))?.[index % PAGE]
  }

  /** Every entry of a span, fetched where it is not there yet; fewer where that fails. */
  async function span(from: number, to: number): Promise<Item[]> {
    const end = Math.min(to, total.value)
    const here = Array.from({ length: Math.max(0, end - from) }, (_, index) => at(from + index))
    if (here.every((entry) => entry !== undefined)) return here
    const starts = Array.from({ length: Math.ceil(here.length / LONGEST) }, (_, part) => from + part * LONGEST)
    const found: Item[] = []
    try {
      while (starts.length > 0) {
        const some = starts.splice(0, TOGETHER)
        const parts = await Promise.all(some.map((start) => source!(start, Math.min(LONGEST, end - start))))
        found.push(...parts.flatMap(({ entries }) => entries))
      }
    } catch (error) {
      onError(error)
    }
    return found
  }

  /** Where an entry lies among those that are here; -1 where it is not. */
  function indexOf(path: string): number {
    for (const [page, entries] of pages.value) {
      const at = entries.findIndex((entry) => entry.path === path)
      if (at >= 0) return page * PAGE + at
    }
    return -1
  }

  return { total, loading, known, open, renew, need, at, span, indexOf }
}
