/** What the fields of the drawing forms are for, by their ids, with AUTOMATIC1111's names for them. */
import { useStorage } from '@vueuse/core'
import { computed, shallowRef } from 'vue'

import { language } from '../i18n'
import { findHelp, type HelpTable } from './helpTable'

/** Whether each field shows what it is for. */
export const showHelp = useStorage('easel.help', false)

const table = shallowRef<HelpTable | null>(null)
let asked = false

/** The help of the field with this id; null where there is none, or while the table is on its way. */
export function useFieldHelp(id: () => string | undefined) {
  if (!asked) {
    asked = true
    void import('../../locales/fieldHelp.json').then((file) => (table.value = file.default))
  }
  return computed(() => findHelp(table.value, id(), language.value))
}
