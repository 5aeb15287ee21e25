import { defineAsyncComponent, type Component } from 'vue'

import type { Session } from '../api/sdapi'
import type { Plugins } from '../extensions/api'
import { partsOf } from '../extensions/pluginParts'
import Txt2ImgTab from '../txt2img/Txt2ImgTab.vue'

/** A section of the page. Its label is `tab.<name>` in locales/, or `title`. */
export interface Tab {
  name: string
  view: Component
  title?: string
  givenProps?: Record<string, unknown> // further props of its view
  apart?: boolean // has a button of its own in the bar
  offered?: (session: Session, plugins: Plugins) => boolean // where the service may lack it
}

export const ACCOUNT_TAB = 'account'

/** The first tab is part of the page's bundle; the others load when first opened. */
export const TABS: readonly Tab[] = [
  { name: 'txt2img', view: Txt2ImgTab },
  { name: 'img2img', view: defineAsyncComponent(() => import('../img2img/Img2ImgTab.vue')) },
  { name: 'extras', view: defineAsyncComponent(() => import('../extras/ExtrasTab.vue')) },
  { name: 'pnginfo', view: defineAsyncComponent(() => import('../pnginfo/PngInfoTab.vue')) },
  { name: 'models', view: defineAsyncComponent(() => import('../models/ModelsTab.vue')) },
  {
    name: 'queue',
    view: defineAsyncComponent(() => import('../queue/QueueTab.vue')),
    offered: ({ login }) => login === true, // where there may be others
  },
  {
    name: 'gallery',
    view: defineAsyncComponent(() => import('../gallery/GalleryTab.vue')),
    offered: ({ filebrowser }) => filebrowser,
  },
  {
    name: 'files',
    view: defineAsyncComponent(() => import('../files/FilesTab.vue')),
    offered: ({ filebrowser }) => filebrowser,
  },
  { name: 'settings', view: defineAsyncComponent(() => import('../settings/SettingsTab.vue')) },
]
const EXTENSIONS: Tab = {
  name: 'extensions',
  view: defineAsyncComponent(() => import('../extensions/ExtensionsTab.vue')),
  offered: (_, { plugins }) => plugins.length > 0,
}
const ACCOUNT: Tab = {
  name: ACCOUNT_TAB,
  view: defineAsyncComponent(() => import('../account/AccountTab.vue')),
  apart: true,
  offered: ({ accounts }) => accounts === true,
}
const PluginTab = defineAsyncComponent(() => import('../extensions/PluginTab.vue'))

/** Built-in tabs, then plugins' tabs, the list of plugins, and the account. */
export function tabsOf(session: Session | null, plugins: Plugins): Tab[] {
  const pluginTabs = partsOf(plugins.plugins, 'tab').map(({ key, part }): Tab => ({
    name: `plugin/${key}`,
    view: PluginTab,
    title: part.title,
    givenProps: { shownAs: key },
  }))
  return [...TABS, ...pluginTabs, EXTENSIONS, ACCOUNT].filter(
    ({ offered }) => !offered || (session !== null && offered(session, plugins)),
  )
}
