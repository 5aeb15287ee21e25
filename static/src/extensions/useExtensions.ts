/** State and operations of the list of plugins. */
import { computed, onActivated, ref, shallowRef } from 'vue'
import { useI18n } from 'vue-i18n'

import { ApiError } from '../api/client'
import { useFailureText } from '../generation/useRefusals'
import { notify } from '../notifications'
import type { Catalogue } from '../useCatalogue'
import * as api from './api'
import { loadCount } from './pluginParts'

export function useExtensions(catalogue: Catalogue) {
  const { t } = useI18n()
  const tell = useFailureText()
  const { lists, load } = catalogue
  const changedPlugins = ref(new Set<string>()) // brought, replaced or removed since the last reload
  const applying = ref(false)
  const running = ref(0)
  const problem = ref('')
  const conflictingSource = shallowRef<File | string | null>(null) // an archive or folder whose name is taken
  const folderDialogOpen = ref(false)
  const pluginToRemove = shallowRef<api.Plugin | null>(null)

  const plugins = computed(() => lists.plugins.plugins)
  /** Plugins that the next reload turns on or off; kept by the service. */
  const toggledPlugins = computed(() =>
    plugins.value.filter(({ enabled, state }) => enabled !== (state !== 'off')),
  )
  const pendingCount = computed(
    () => new Set([...toggledPlugins.value.map(({ name }) => name), ...changedPlugins.value]).size,
  )
  const mayInstall = computed(() => lists.plugins.may_install)

  function updatePlugin(plugin: api.Plugin) {
    const exists = plugins.value.some(({ name }) => name === plugin.name)
    const list = exists
      ? plugins.value.map((one) => (one.name === plugin.name ? plugin : one))
      : [...plugins.value, plugin]
    lists.plugins = { ...lists.plugins, plugins: list }
  }

  /** The answer; null on an API error, which is shown. */
  async function attempt<T>(request: Promise<T>): Promise<T | null> {
    problem.value = ''
    try {
      return await request
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      problem.value = tell(error)
      return null
    }
  }

  async function setEnabled(plugin: api.Plugin, enabled: boolean) {
    const changed = await attempt(api.change(plugin.name, { enabled }))
    if (changed) updatePlugin(changed)
  }

  /** Reload all plugins. Workers do so between two jobs, so no job is lost. */
  async function apply() {
    if (applying.value) return
    applying.value = true
    const timer = window.setInterval(pollRunning, 1000)
    void pollRunning()
    const now = await attempt(api.reload())
    window.clearInterval(timer)
    applying.value = false
    if (!now) return
    changedPlugins.value.clear()
    loadCount.value += 1
    lists.plugins = now
    void load() // samplers, models and scripts may have come and gone
    notify('success', t('extensions.applied'))
  }

  async function pollRunning() {
    running.value = (await api.plugins().catch(() => lists.plugins)).running
  }

  async function installAll(files: Iterable<File | string>, replace = false) {
    for (const file of files) {
      const installation =
        typeof file === 'string' ? api.installFolder(file, replace) : api.install(file, replace)
      const plugin = await attempt(installation)
      if (!plugin) {
        if (replace || !problem.value.includes('already')) return
        folderDialogOpen.value = false
        conflictingSource.value = file
        return
      }
      folderDialogOpen.value = false
      updatePlugin(plugin)
      changedPlugins.value.add(plugin.name)
      notify('success', t('extensions.brought', { title: plugin.title }))
    }
  }

  function replace() {
    const file = conflictingSource.value
    conflictingSource.value = null
    problem.value = ''
    if (file) void installAll([file], true)
  }

  async function remove() {
    const plugin = pluginToRemove.value
    pluginToRemove.value = null
    if (!plugin || !(await attempt(api.uninstall(plugin.name)))) return
    changedPlugins.value.add(plugin.name)
    lists.plugins = {
      ...lists.plugins,
      plugins: plugins.value.filter(({ name, origin }) => name !== plugin.name || origin !== plugin.origin),
    }
  }

  onActivated(async () => {
    lists.plugins = await api.plugins().catch(() => lists.plugins)
  })

  return {
    plugins,
    mayInstall,
    pendingCount,
    applying,
    running,
    problem,
    conflictingSource,
    folderDialogOpen,
    pluginToRemove,
    updatePlugin,
    setEnabled,
    apply,
    installAll,
    replace,
    remove,
  }
}
