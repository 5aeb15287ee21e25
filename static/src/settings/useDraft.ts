/** Changes of options that wait to be applied, and what is wrong with them. */
import { computed, reactive, ref, type Ref } from 'vue'

import { ApiError } from '../api/client'
import type { Options } from '../api/sdapi'
import type { OptionFacts, OptionList } from './api'
import { faultOf, isSame, optionAtFault, type Fault } from './optionValues'

export function useDraft(list: Ref<OptionList | null>) {
  const changes = reactive<Options>({})
  const refusal = ref({ name: '', text: '' }) // of the service; without a name it is about no option
  const options = computed(() => new Map(list.value?.options.map((option) => [option.name, option]) ?? []))
  const names = computed(() => Object.keys(changes))
  const faults = computed(() => {
    const found = names.value.flatMap((name): [string, Fault][] => {
      const option = options.value.get(name)
      const fault = option ? faultOf(option, changes[name]) : null
      return fault ? [[name, fault]] : []
    })
    return new Map(found)
  })

  const valueOf = (option: OptionFacts): unknown =>
    option.name in changes ? changes[option.name] : option.value

  function set(option: OptionFacts, value: unknown) {
    if (isSame(value, option.value)) delete changes[option.name]
    else changes[option.name] = value
    if (refusal.value.name === option.name) refusal.value = { name: '', text: '' }
  }

  function drop(which: readonly string[] = names.value) {
    for (const name of which) delete changes[name]
    refusal.value = { name: '', text: '' }
  }

  /** Remember why the service refused. Throws what is no refusal. */
  function refuse(error: unknown, otherwise: string) {
    if (!(error instanceof ApiError)) throw error
    const text = error.message || Object.values(error.fields).join(' ') || otherwise
    refusal.value = { name: optionAtFault(error, names.value), text }
  }

  return { changes, names, faults, refusal, valueOf, set, drop, refuse }
}
