/** What changes on the disk while one looks at it: told by the service as it happens. */
import { useDebounceFn } from '@vueuse/core'
import { onScopeDispose, watch, type Ref } from 'vue'

import { address } from '../api/client'

const CALM_MS = 300 // several changes are one look
const RETRY_MS = 5000

interface Change {
  path: string
  previous: string | null
}

/** Calls `onChange` with the paths in or below the folder that changed, while the tab is open. */
export function useLive(open: Ref<boolean>, path: Ref<string>, onChange: (paths: string[]) => void) {
  let changed: string[] = []
  const tell = useDebounceFn(
    () => {
      onChange(changed)
      changed = []
    },
    CALM_MS,
    { maxWait: 2000 },
  )
  let events: EventSource | null = null
  let timer = 0

  function note(...paths: string[]) {
    changed.push(...paths)
    void tell()
  }

  function start() {
    stop()
    events = new EventSource(address(`api/files/events?path=${encodeURIComponent(path.value)}`))
    events.addEventListener('change', ({ data }: MessageEvent<string>) => {
      const { path: now, previous } = JSON.parse(data) as Change
      note(now, ...(previous ? [previous] : []))
    })
    events.addEventListener('again', () => note(path.value)) // more happened than is remembered
    events.onerror = () => {
      // The browser reconnects by itself unless it was refused (an expired login, no free place).
      if (events?.readyState === EventSource.CLOSED) timer = window.setTimeout(start, RETRY_MS)
    }
  }

  function stop() {
    window.clearTimeout(timer)
    events?.close()
    events = null
  }

  watch([open, path], ([on]) => (on ? start() : stop()), { immediate: true })
  onScopeDispose(stop)
}
