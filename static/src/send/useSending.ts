/** Does what the menu "Send to" offers. */
import { useI18n } from 'vue-i18n'

import { ApiError } from '../api/client'
import { deletePaths, restore } from '../files/api'
import { saveUrl } from '../generation/downloads'
import { parseInfotext } from '../generation/infotext'
import { useFailureText } from '../generation/useRefusals'
import { currentTab, sendParts, sendPrompt, sendTo } from '../navigation'
import { notify } from '../notifications'
import { showUndo } from '../undo'
import { formFor, seedOf, type ActionName } from './actions'
import type { SendablePicture } from './sendable'

/** `share` opens the links of a file. */
export function useSending(sections: () => ReadonlySet<string>, share: (path: string) => void) {
  const { t } = useI18n()
  const tell = useFailureText()
  const form = () => formFor(currentTab.value, sections())
  const stays = (picture: SendablePicture) => picture.stays === true && currentTab.value === 'img2img'

  /** What a picture tells of itself; null, said to the reader, if that is nothing. */
  async function told(picture: SendablePicture): Promise<string | null> {
    const infotext = await picture.infotext()
    if (!infotext) notify('warning', t('prompt.noInfotext'))
    return infotext || null
  }

  async function file(picture: SendablePicture): Promise<string | null> {
    const path = await picture.path()
    if (path === null) notify('warning', t('send.noFile'))
    return path
  }

  async function discard(picture: SendablePicture) {
    const path = await file(picture)
    if (path === null) return
    const { trash_id: id } = await deletePaths([path])
    const takeBack = picture.removed?.()
    showUndo(t('files.discarded', { name: path.split('/').at(-1)! }), () => {
      void attempt(async () => {
        await restore(id)
        takeBack?.()
      })
    })
  }

  const acts: Record<ActionName, (picture: SendablePicture) => Promise<void>> = {
    source: async (picture) =>
      sendTo('img2img', await picture.blob(), await picture.infotext(), stays(picture)),
    inpaint: async (picture) =>
      sendTo('inpaint', await picture.blob(), await picture.infotext(), stays(picture)),
    enlarge: async (picture) => sendTo('extras', await picture.blob()),
    control: async (picture) => sendParts(form(), { control: await picture.blob() }),
    settings: async (picture) => {
      const infotext = await told(picture)
      if (infotext) sendTo(form(), null, infotext)
    },
    prompt: async (picture) => {
      const infotext = await told(picture)
      if (!infotext) return
      const { prompt, negative } = parseInfotext(infotext)
      sendPrompt(form(), prompt, negative)
    },
    seed: async (picture) => {
      const infotext = await told(picture)
      const seed = infotext ? seedOf(infotext) : null
      if (seed !== null) sendParts(form(), { seed })
      else if (infotext) notify('warning', t('send.noSeed'))
    },
    download: async ({ url, name }) => saveUrl(url, name),
    share: async (picture) => {
      const path = await file(picture)
      if (path !== null) share(path)
    },
    delete: discard,
  }

  async function attempt(work: () => Promise<void>) {
    try {
      await work()
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      notify('error', tell(error))
    }
  }

  return (name: ActionName, picture: SendablePicture) => attempt(() => acts[name](picture))
}
