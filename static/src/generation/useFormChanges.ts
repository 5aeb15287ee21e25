/** Tells the fields and folds of a section which of them differ from their defaults. */
import { computed, inject, provide, type ComputedRef, type InjectionKey, type Ref } from 'vue'

import type { ControlUnit } from './controlUnits'
import { findChanges, revertFold, type FormChanges } from './formChanges'
import type { Fields, GenerationKind } from './useFields'

interface ProvidedChanges {
  changes: ComputedRef<FormChanges>
  revert: (fold: string) => void
}

const KEY: InjectionKey<ProvidedChanges> = Symbol('formChanges')

export function provideFormChanges(
  kind: GenerationKind,
  fields: Ref<Fields>,
  units: Ref<ControlUnit[]>,
  change: (act: () => void) => void, // so that it can be taken back
) {
  provide(KEY, {
    changes: computed(() => findChanges(kind, fields.value, units.value)),
    revert: (fold) =>
      change(() => {
        const reverted = revertFold(kind, fold, fields.value, units.value)
        fields.value = reverted.fields
        units.value = reverted.units
      }),
  })
}

/** Whether the field of this element is changed; never outside of such a section. */
export function useFieldChanged(id: () => string | undefined): ComputedRef<boolean> {
  const provided = inject(KEY, null)
  return computed(() => provided?.changes.value.fields.has(id() ?? '') ?? false)
}

export function useFoldChanges(id: () => string): { count: ComputedRef<number>; revert: () => void } {
  const provided = inject(KEY, null)
  return {
    count: computed(() => provided?.changes.value.folds[id()] ?? 0),
    revert: () => provided?.revert(id()),
  }
}
