/** The options as the service has them, shared by the settings and the quick settings of this window. */
import { shallowRef } from 'vue'

import type { Options } from '../api/sdapi'
import type { Catalogue } from '../useCatalogue'
import { listOptions, resetOptions, setOptions, type OptionList } from './api'

export const QUICK = 'quicksettings_list'

const list = shallowRef<OptionList | null>(null)

export function useOptions(catalogue: Catalogue) {
  function take(now: OptionList) {
    list.value = now
    const values = Object.fromEntries(now.options.map(({ name, value }) => [name, value]))
    catalogue.lists.options = { ...catalogue.lists.options, ...values }
  }

  async function load() {
    take(await listOptions())
  }

  /** Store changes. Throws `ApiError`, and nothing is stored, where one does not fit. */
  async function apply(changes: Options) {
    await setOptions(changes)
    await load()
    void catalogue.reload() // the lists of units, models and scripts follow some options
  }

  async function reset(names: readonly string[]) {
    take(await resetOptions(names))
    void catalogue.reload()
  }

  return { list, load, apply, reset }
}
