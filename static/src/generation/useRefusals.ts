/** The refused fields of a failure, in the reader's language, and the way to the first one. */
import { computed, nextTick, type Ref } from 'vue'
import { useI18n } from 'vue-i18n'

import { byControl, explain, failureText, labelOf } from './refusals'
import type { Failure } from './useGeneration'

export interface RefusedField {
  label: string // empty: no field
  text: string
}

/** What is wrong by control, for the controls' `error`. */
export function useRefusedFields(failure: Ref<Failure | null>) {
  const { t } = useI18n()
  return computed<Record<string, string>>(() => ({
    ...failure.value?.fields,
    ...byControl(failure.value?.refusals ?? [], (key, values) => t(key, values ?? {})),
  }))
}

/** What is wrong by label, for the message. */
export function useRefusedLabels(failure: () => Failure) {
  const { t } = useI18n()
  return computed<RefusedField[]>(() =>
    (failure().refusals ?? []).map((refusal) => ({
      label: refusal.field ? labelOf(refusal, (key, values) => t(key, values ?? {})) : '',
      text: explain(refusal, (key, values) => t(key, values ?? {})),
    })),
  )
}

/** Tells a failure in one text. */
export function useFailureText(): (failure: Failure) => string {
  const { t } = useI18n()
  return (failure) => failureText(failure, (key, values) => t(key, values ?? {}))
}

/** Scroll to the first refused field and focus it, unless somebody types elsewhere by now. */
export async function revealRefused() {
  const { activeElement } = document
  await nextTick() // its fold opens
  await nextTick() // and draws what is in it
  const field = document.querySelector<HTMLElement>('.wrong .error')?.closest<HTMLElement>('.wrong')
  if (!field) return
  field.scrollIntoView({ block: 'center' })
  if (document.activeElement !== activeElement) return
  field.querySelector<HTMLElement>('input, textarea, [role=radio][tabindex="0"], button')?.focus({
    preventScroll: true,
  })
}
