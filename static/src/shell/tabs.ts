import { defineAsyncComponent, type Component } from 'vue'

import type { Session } from '../api/sdapi'
import Txt2ImgTab from '../txt2img/Txt2ImgTab.vue'

/** A section of the page. Its label is `tab.<name>` in locales/. */
export interface Tab {
  name: string
  view: Component
  offered?: (session: Session) => boolean // where the service may lack it
}

/** The first one comes with the page; the others when they are first opened. */
export const TABS: readonly Tab[] = [
  { name: 'txt2img', view: Txt2ImgTab },
  { name: 'img2img', view: defineAsyncComponent(() => import('../img2img/Img2ImgTab.vue')) },
  { name: 'extras', view: defineAsyncComponent(() => import('../extras/ExtrasTab.vue')) },
  { name: 'pnginfo', view: defineAsyncComponent(() => import('../pnginfo/PngInfoTab.vue')) },
  {
    name: 'files',
    view: defineAsyncComponent(() => import('../files/FilesTab.vue')),
    offered: ({ filebrowser }) => filebrowser,
  },
]
