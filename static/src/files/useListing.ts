/** Entries of a folder or a search, fetched page by page as they become visible. */
import { computed, ref, shallowRef } from 'vue'

import type { Entry } from './api'

export const PAGE = 200 // entries asked for at once
const MAX_SPAN = 2000 // entries asked for at once when a whole span is wanted
const PARALLEL_REQUESTS = 3 // such questions at the same time

/** An entry with its path. */
export interface Item extends Entry {
  path: string
}

export interface ListingPage {
  total: number
  entries: Item[]
}

/** Fetches `limit` entries from `offset` on. */
export type Source = (offset: number, limit: number) => Promise<ListingPage>

export type Listing = ReturnType<typeof useListing>

export function useListing(onError: (error: unknown) => void) {
  const total = ref(0)
  const pages = shallowRef<ReadonlyMap<number, Item[]>>(new Map())
  const loading = ref(false) // nothing of the present source has come yet
  const loaded = computed(() => [...pages.value.values()].flat())
  let source: Source | null = null
  let requestedPages = new Set<number>()
  let generation = 0 // answers of an earlier round are not kept
  let latest: Promise<void> = Promise.resolve() // the reload that was begun last
  let visible = { first: 0, last: PAGE }

  /** Switch to another source. */
  async function open(next: Source) {
    source = next
    visible = { first: 0, last: PAGE }
    total.value = 0
    pages.value = new Map()
    loading.value = true
    await refresh()
  }

  /** Reload the visible pages; the old ones stay until the answer arrives, or that of a later reload. */
  async function refresh() {
    let awaited: Promise<void>
    latest = reload()
    do await (awaited = latest)
    while (awaited !== latest)
  }

  async function reload() {
    if (!source) return
    const startedIn = ++generation
    requestedPages = new Set()
    const newPages = new Map<number, Item[]>()
    const first = Math.floor(visible.first / PAGE)
    const last = Math.max(first, Math.floor(Math.max(0, visible.last - 1) / PAGE))
    for (let page = first; page <= last; page++) requestedPages.add(page)
    try {
      for (let page = first; page <= last; page++) {
        const part = await source(page * PAGE, PAGE)
        if (startedIn !== generation) return
        newPages.set(page, part.entries)
        total.value = part.total
      }
      pages.value = newPages
      loading.value = false
    } catch (error) {
      if (startedIn !== generation) return
      loading.value = false
      onError(error)
    }
  }

  /** Fetch the pages of rows that became visible (`last` exclusive). */
  function ensureLoaded(first: number, last: number) {
    visible = { first, last }
    if (!source || loading.value) return
    const end = Math.min(last, total.value)
    for (let page = Math.floor(first / PAGE); page * PAGE < end; page++) {
      if (!requestedPages.has(page)) void fetchPage(page)
    }
  }

  async function fetchPage(page: number) {
    const startedIn = generation
    requestedPages.add(page)
    try {
      const part = await source!(page * PAGE, PAGE)
      if (startedIn !== generation) return
      pages.value = new Map(pages.value).set(page, part.entries)
      total.value = part.total
    } catch (error) {
      requestedPages.delete(page)
      if (startedIn === generation) onError(error)
    }
  }

  function at(index: number): Item | undefined {
    return pages.value.get(Math.floor(index / PAGE))?.[index % PAGE]
  }

  /** All entries of a range, fetched where missing; fewer if a request fails. */
  async function span(from: number, to: number): Promise<Item[]> {
    const end = Math.min(to, total.value)
    const loadedItems = Array.from({ length: Math.max(0, end - from) }, (_, index) => at(from + index))
    if (loadedItems.every((entry) => entry !== undefined)) return loadedItems
    const starts = Array.from(
      { length: Math.ceil(loadedItems.length / MAX_SPAN) },
      (_, part) => from + part * MAX_SPAN,
    )
    const items: Item[] = []
    try {
      while (starts.length > 0) {
        const batch = starts.splice(0, PARALLEL_REQUESTS)
        const parts = await Promise.all(batch.map((start) => source!(start, Math.min(MAX_SPAN, end - start))))
        items.push(...parts.flatMap(({ entries }) => entries))
      }
    } catch (error) {
      onError(error)
    }
    return items
  }

  /** The index of a loaded entry; -1 if it is not loaded. */
  function indexOf(path: string): number {
    for (const [page, entries] of pages.value) {
      const at = entries.findIndex((entry) => entry.path === path)
      if (at >= 0) return page * PAGE + at
    }
    return -1
  }

  return { total, loading, loaded, open, refresh, ensureLoaded, at, span, indexOf }
}
