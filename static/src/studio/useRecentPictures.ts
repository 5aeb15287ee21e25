/** The latest pictures on disk, live: one list for the whole window, loaded page by page. */
import { createSharedComposable, useTimeoutFn } from '@vueuse/core'
import { ref, shallowRef } from 'vue'

import { ApiError } from '../api/client'
import { contentUrl, recentPictures, thumbnailUrl, type FoundPicture } from '../files/api'
import { useFileEvents } from '../files/useFileEvents'
import { isPicturePath } from './recent'

const PAGE = 120 // pictures asked for at once
const LOOK_AGAIN_MS = 1000 // the index follows the disk by two seconds
const LOOKS = 4

export const OUTPUTS = '/data'

export const useRecentPictures = createSharedComposable(() => {
  const pictures = shallowRef<FoundPicture[]>([])
  const total = ref(0)
  const complete = ref(true) // false while the service is still reading what there is
  const loaded = ref(false)
  let looks = 0 // left, for pictures that are on disk and not found yet
  let expected: string[] = []
  let asked = 0 // answers of an earlier question are not kept

  async function look(limit: number) {
    const question = ++asked
    try {
      const found = await recentPictures(OUTPUTS, 0, Math.min(Math.max(limit, PAGE), 500))
      if (question !== asked) return
      pictures.value = found.entries
      total.value = found.total
      complete.value = found.complete
      loaded.value = true
      const paths = new Set(found.entries.map(({ path }) => path))
      if (--looks > 0 && (!found.complete || expected.some((path) => !paths.has(path)))) lookAgain.start()
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      loaded.value = true // the pane stays as it is; the next change asks again
    }
  }

  async function more() {
    if (pictures.value.length >= total.value) return
    const question = asked
    const found = await recentPictures(OUTPUTS, pictures.value.length, PAGE).catch(() => null)
    if (found && question === asked) pictures.value = [...pictures.value, ...found.entries]
  }

  const lookAgain = useTimeoutFn(() => void look(pictures.value.length), LOOK_AGAIN_MS, { immediate: false })
  useFileEvents(ref(true), ref(OUTPUTS), (paths) => {
    expected = paths.filter(isPicturePath)
    if (expected.length === 0 && !paths.includes(OUTPUTS)) return
    looks = LOOKS
    void look(pictures.value.length)
  })
  looks = LOOKS
  void look(PAGE)

  return { pictures, total, complete, loaded, more }
})

export const smallUrl = (picture: FoundPicture, size = 256) => thumbnailUrl(picture, size)
export const largeUrl = (picture: FoundPicture) => contentUrl(picture.path, picture.modified)
