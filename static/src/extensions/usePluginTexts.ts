/** Texts of plugins, translated for shipped plugins. */
import { useI18n } from 'vue-i18n'

import type { Plugin, Setting } from './api'

export function usePluginTexts() {
  const { t, te } = useI18n()

  /** The page's translation for a shipped plugin, else the plugin's text. */
  function translate(plugin: Plugin, key: string, theirs: string): string {
    const fullKey = `plugin.${plugin.name}.${key}`
    return plugin.origin === 'shipped' && te(fullKey) ? t(fullKey) : theirs
  }

  return {
    about: (plugin: Plugin) => translate(plugin, 'about', plugin.description),
    name: (plugin: Plugin, { name }: Setting) => translate(plugin, `${name}.name`, name.replaceAll('_', ' ')),
    help: (plugin: Plugin, { name, help }: Setting) => translate(plugin, `${name}.help`, help),
  }
}
