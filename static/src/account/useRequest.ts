/** One request at a time of a panel: whether it is under way, long under way, or refused. */
import { onScopeDispose, ref } from 'vue'
import { useI18n } from 'vue-i18n'

import { ApiError } from '../api/client'
import type { Failure } from '../generation/useGeneration'
import { useFailureText } from '../generation/useRefusals'

const SLOW_MS = 500 // after which a progress bar is shown

export function useRequest() {
  const { t, te } = useI18n()
  const tell = useFailureText()
  const busy = ref(false)
  const slow = ref(false)
  const failure = ref<Failure | null>(null)
  let timer = 0
  onScopeDispose(() => window.clearTimeout(timer))

  /** The answer; null where it was refused, which `failure` tells in the reader's language. */
  async function run<T>(request: Promise<T>): Promise<T | null> {
    busy.value = true
    failure.value = null
    window.clearTimeout(timer)
    timer = window.setTimeout(() => (slow.value = busy.value), SLOW_MS)
    try {
      return await request
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      failure.value = { status: error.status, message: textOf(error), fields: error.fields }
      return null
    } finally {
      window.clearTimeout(timer)
      busy.value = slow.value = false
    }
  }

  function textOf(error: ApiError): string {
    const { kind } = error
    const key = `account.refusal.${kind}`
    return kind && te(key, 'en') ? t(key) : tell(error)
  }

  return { busy, slow, failure, run }
}
