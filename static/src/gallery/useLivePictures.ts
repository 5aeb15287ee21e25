/** The history, as it is on the disk: looked at again whenever a picture comes or goes. */
import { createSharedComposable } from '@vueuse/core'
import { onScopeDispose, ref, watch, type Ref } from 'vue'

import type { ApiError } from '../api/client'
import { useFileEvents } from '../files/useFileEvents'
import { NO_FILTER, type Filter } from './api'
import { isPicturePath, touchesPictures } from './outputs'
import { usePictures } from './usePictures'

const TREE = '/data'
const LOOK_AGAIN_MS = 1000 // the index follows the disk by two seconds
const LOOKS = 4

export function useLivePictures(
  filter: Ref<Filter>,
  onScreen: Ref<boolean>,
  onRefused: (error: ApiError) => void,
) {
  const list = usePictures(filter, onRefused)
  let expected: string[] = [] // pictures that are on the disk, and may not be found yet
  let looks = 0 // left
  let timer = 0

  function look() {
    window.clearTimeout(timer)
    list.refresh()
    if (--looks > 0) timer = window.setTimeout(lookForMissing, LOOK_AGAIN_MS)
  }

  function lookForMissing() {
    const found = new Set([...list.pages.values()].flat().map(({ path }) => path))
    if (expected.some((path) => !found.has(path))) look()
  }

  useFileEvents(onScreen, ref(TREE), (paths) => {
    if (!paths.some(touchesPictures)) return
    expected = paths.filter(isPicturePath)
    looks = LOOKS
    look()
  })
  watch(onScreen, (on) => on && list.refresh())
  onScopeDispose(() => window.clearTimeout(timer))
  return list
}

/** The whole history without a filter, one for all who show its beginning. */
export const useLatestPictures = createSharedComposable(() =>
  useLivePictures(ref({ ...NO_FILTER }), ref(true), () => undefined),
)
