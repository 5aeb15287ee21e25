/** What the next press of Generate will take, asked for a moment after the fields rest. */
import { useDebounceFn, useDocumentVisibility } from '@vueuse/core'
import { onScopeDispose, shallowRef, watch } from 'vue'

import { ApiError } from '../api/client'
import { priceOf, type Price } from '../api/jobs'
import type { GenerationForm } from '../generation/useGenerationForm'

const REST_MS = 800

export function usePrice(form: GenerationForm) {
  const price = shallowRef<Price | null>(null)
  const visibility = useDocumentVisibility()
  let asked = 0
  let over = false
  onScopeDispose(() => (over = true))

  const ask = useDebounceFn(async () => {
    const request = form.priced()
    const question = ++asked
    if (over || !request || visibility.value === 'hidden') return
    try {
      const answer = await priceOf(request.path, request.body)
      if (question === asked) price.value = answer
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      if (question === asked) price.value = null // a price is no reason for a message
    }
  }, REST_MS)

  /** All that the price depends on: neither the words nor the name of the task. */
  function priceKey(): string {
    const { path, body } = form.priced() ?? {}
    return JSON.stringify([path, { ...body, force_task_id: '', prompt: '', negative_prompt: '', seed: 0 }])
  }
  watch([priceKey, () => form.work.jobs.value.length], ask, { immediate: true })
  return price
}
