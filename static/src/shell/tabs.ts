import type { Component } from 'vue'

import Txt2ImgTab from '../txt2img/Txt2ImgTab.vue'

/** A section of the page. Its label is `tab.<name>` in locales/. */
export interface Tab {
  name: string
  view: Component
}

export const TABS: readonly Tab[] = [{ name: 'txt2img', view: Txt2ImgTab }]
