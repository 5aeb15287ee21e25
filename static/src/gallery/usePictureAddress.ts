/** The open picture is part of the page's address, so that it can be linked to and gone back to. */
import { onActivated, onDeactivated, ref, watch, type Ref } from 'vue'

import { useOpened } from '../navigation'
import type { Filter, GalleryPicture } from './api'
import { PAGE_SIZE } from './pages'
import type { Pictures } from './usePictures'

interface Gallery {
  list: Pictures
  filter: Ref<Filter>
  shown: Ref<GalleryPicture | null>
  open: (index: number) => void
  close: () => void
}

export function usePictureAddress({ list, filter, shown, open, close }: Gallery) {
  const opened = useOpened('gallery')
  const wanted = ref(opened.value) // by the address, and not open yet
  const onScreen = ref(true)
  onActivated(() => (onScreen.value = true))
  onDeactivated(() => (onScreen.value = false))

  watch(opened, (now) => {
    if (now === pathOf(shown.value)) return
    wanted.value = now
    if (!now && shown.value) close()
  })
  watch(shown, (now) => {
    if (!onScreen.value || (wanted.value && !now)) return
    wanted.value = ''
    opened.value = pathOf(now)
  })
  // One that is far down the list is found by its name.
  watch(
    [wanted, list.total, () => [...list.pages.values()]],
    ([path, total, pages]) => {
      if (!path || total === null || pages.length === 0) return
      const index = indexOf(list, path)
      if (index >= 0) return open(index)
      const name = path.split('/').at(-1)!
      if (filter.value.q === name) wanted.value = ''
      else filter.value = { ...filter.value, q: name }
    },
    { immediate: true },
  )
}

const pathOf = (picture: GalleryPicture | null) => picture?.path.slice(1) ?? ''

function indexOf({ pages }: Pictures, path: string): number {
  for (const page of pages.keys()) {
    const within = pages.get(page)!.findIndex((picture) => pathOf(picture) === path)
    if (within >= 0) return page * PAGE_SIZE + within
  }
  return -1
}
