/** Pictures go into the trash, and come back by a button in the message. */
import { h } from 'vue'

import { ApiError } from '../api/client'
import { deletePaths, restore } from '../files/api'
import { notify } from '../notifications'
import type { GalleryPicture } from './api'

const UNDO_MS = 10_000

type Translate = (key: string, named?: Record<string, unknown>) => string

export async function discardPictures(
  pictures: readonly GalleryPicture[],
  t: Translate,
  refresh: () => void,
) {
  const attempt = async (work: () => Promise<unknown>) => {
    try {
      await work()
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      notify('error', error.message || t('error.network'))
    }
    refresh()
  }
  await attempt(async () => {
    const { trash_id: id } = await deletePaths(pictures.map(({ path }) => path))
    const text =
      pictures.length === 1
        ? t('files.discarded', { name: pictures[0]!.name })
        : t('files.discardedMany', { count: pictures.length })
    const undo = () => {
      close()
      void attempt(() => restore(id))
    }
    const close = notify('success', {
      text: h('span', [text, h('button', { class: 'undo', type: 'button', onClick: undo }, t('files.undo'))]),
      duration: UNDO_MS,
    })
  })
}
