/** What the service offers: its session, checkpoints, samplers; kept fresh by its events. */
import { computed, onScopeDispose, ref, shallowRef } from 'vue'

import { address } from './api/client'
import * as api from './api/sdapi'

const RETRY_MS = 3000

export type Catalogue = ReturnType<typeof useCatalogue>

/** Loads everything once, then follows `/api/events` until the scope ends. */
export function useCatalogue() {
  const session = shallowRef<api.Session | null>(null)
  const checkpoints = shallowRef<api.Checkpoint[]>([])
  const samplers = shallowRef<api.Sampler[]>([])
  const schedulers = shallowRef<api.Scheduler[]>([])
  const unreachable = ref(false)
  const ready = computed(() => session.value !== null && samplers.value.length > 0)
  let events: EventSource | null = null
  let timer = 0

  async function load() {
    window.clearTimeout(timer)
    try {
      ;[samplers.value, schedulers.value] = await Promise.all([api.samplers(), api.schedulers()])
      await refresh()
      unreachable.value = false
      follow()
    } catch (error) {
      unreachable.value = (error as { status?: number }).status !== 401
      if (unreachable.value) timer = window.setTimeout(load, RETRY_MS)
    }
  }

  async function refresh() {
    const [now, files] = await Promise.all([api.session(), api.checkpoints()])
    session.value = now
    checkpoints.value = files
  }

  /** The stream opens with the present revision, so a reconnection catches up by itself. */
  function follow() {
    events?.close()
    events = new EventSource(address('api/events'))
    events.addEventListener('models', () => void refresh().catch(() => undefined))
    events.onerror = () => {
      // The browser reconnects by itself unless it was refused (an expired login, no free place).
      if (events?.readyState === EventSource.CLOSED) timer = window.setTimeout(load, RETRY_MS)
    }
  }

  onScopeDispose(() => {
    window.clearTimeout(timer)
    events?.close()
  })
  return { session, checkpoints, samplers, schedulers, unreachable, ready, load }
}
