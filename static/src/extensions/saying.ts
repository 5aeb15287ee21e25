/** What plugins say of themselves, in the reader's language where the page knows the plugin. */
import { useI18n } from 'vue-i18n'

import type { Plugin, Setting } from './api'

export function useSaying() {
  const { t, te } = useI18n()

  /** The page's own words for a shipped plugin, else the plugin's. */
  function own(plugin: Plugin, key: string, theirs: string): string {
    const known = `plugin.${plugin.name}.${key}`
    return plugin.origin === 'shipped' && te(known) ? t(known) : theirs
  }

  return {
    about: (plugin: Plugin) => own(plugin, 'about', plugin.description),
    name: (plugin: Plugin, { name }: Setting) => own(plugin, `${name}.name`, name.replaceAll('_', ' ')),
    help: (plugin: Plugin, { name, help }: Setting) => own(plugin, `${name}.help`, help),
  }
}
