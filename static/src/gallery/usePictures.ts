/** The history as a list of known length whose pages come when they are looked at. */
import { onScopeDispose, ref, shallowReactive, shallowRef, watch, type Ref } from 'vue'

import { ApiError } from '../api/client'
import { notify } from '../notifications'
import * as api from './api'
import type { Filter, GalleryPicture, Rating } from './api'
import { PAGE_SIZE, pagesOf, pagesToDrop } from './pages'

const INDEXING_MS = 1000 // to another look while the service still reads what there is

export type Pictures = ReturnType<typeof usePictures>

export function usePictures(filter: Ref<Filter>, onRefused: (error: ApiError) => void) {
  const pages = shallowReactive(new Map<number, readonly GalleryPicture[]>())
  const asked = new Set<number>()
  const total = ref<number | null>(null) // null: nobody has said yet
  const complete = ref(true) // false while the service still reads what there is
  const failure = shallowRef<ApiError | null>(null)
  let range = { first: 0, last: PAGE_SIZE }
  let generation = 0
  let timer = 0

  function at(index: number): GalleryPicture | null {
    return pages.get(Math.floor(index / PAGE_SIZE))?.[index % PAGE_SIZE] ?? null
  }

  /** Fetch what is missing between two indices, which are in sight. */
  function need(first: number, last: number) {
    range = { first, last }
    pagesOf(first, last).forEach((page) => {
      if (!pages.has(page)) void load(page)
    })
  }

  async function load(page: number) {
    if (asked.has(page)) return
    asked.add(page)
    const now = generation
    try {
      const answer = await api.pictures(filter.value, page * PAGE_SIZE, PAGE_SIZE)
      if (now !== generation) return
      keep(page, answer)
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      if (now === generation && error.status !== 401) failure.value = error
    } finally {
      if (now === generation) asked.delete(page)
    }
  }

  function keep(page: number, answer: api.PicturePage) {
    failure.value = null
    pages.set(page, answer.pictures)
    total.value = answer.total
    complete.value = answer.complete
    pagesToDrop(pages.keys(), Math.floor(range.first / PAGE_SIZE)).forEach((far) => pages.delete(far))
    window.clearTimeout(timer)
    if (!answer.complete) timer = window.setTimeout(refresh, INDEXING_MS)
  }

  /** Look again at what is in sight; what is shown stays until the answer comes. */
  function refresh() {
    generation += 1
    asked.clear()
    const inSight = new Set([0, ...pagesOf(range.first, range.last)])
    ;[...pages.keys()].filter((page) => !inSight.has(page)).forEach((page) => pages.delete(page))
    inSight.forEach((page) => void load(page))
  }

  /** Give pictures stars, or reject them: shown at once, taken back if the service refuses. */
  async function rate(chosen: readonly GalleryPicture[], rating: Rating) {
    const before = new Map(chosen.map(({ path, stars, rejected }) => [path, { stars, rejected }]))
    const show = (of: (path: string) => Rating | undefined) =>
      pages.forEach((list, page) => {
        if (list.some(({ path }) => of(path)))
          pages.set(
            page,
            list.map((one) => ({ ...one, ...of(one.path) })),
          )
      })
    show((path) => (before.has(path) ? rating : undefined))
    try {
      await api.rate([...before.keys()], rating)
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      show((path) => before.get(path))
      onRefused(error)
    }
  }

  watch(
    filter,
    () => {
      generation += 1
      asked.clear()
      pages.clear()
      total.value = null
      range = { first: 0, last: PAGE_SIZE }
      void load(0)
    },
    { deep: true },
  )
  void load(0)
  onScopeDispose(() => window.clearTimeout(timer))
  return { total, complete, failure, at, need, refresh, rate, pages }
}

/** What a refusal says, as a message at the bottom. */
export function tellRefusal(fallback: string): (error: ApiError) => void {
  return (error) => void notify('error', error.message || fallback)
}
