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
  offered?: (session: Session, plugins: Plugins) => boolean // where the service may lack it
}

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
    name: 'files',
    view: defineAsyncComponent(() => import('../files/FilesTab.vue')),
    offered: ({ filebrowser }) => filebrowser,
  },
]
const EXTENSIONS: Tab = {
  name: 'extensions',
  view: defineAsyncComponent(() => import('../extensions/ExtensionsTab.vue')),
  offered: (_, { plugins }) => plugins.length > 0,
}
const PluginTab = defineAsyncComponent(() => import('../extensions/PluginTab.vue'))

/** Built-in tabs, then plugins' tabs, and the list of plugins last. */
export function tabsOf(session: Session | null, plugins: Plugins): Tab[] {
  const pluginTabs = partsOf(plugins.plugins, 'tab').map(({ key, part }): Tab => ({
    name: `plugin/${key}`,
    view: PluginTab,
    title: part.title,
    givenProps: { shownAs: key },
  }))
  return [...TABS, ...pluginTabs, EXTENSIONS].filter(
    ({ offered }) => !offered || (session !== null && offered(session, plugins)),
  )
}
