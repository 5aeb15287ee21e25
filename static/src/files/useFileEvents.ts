/** File changes on the server, by server-sent events. */
import { useDebounceFn } from '@vueuse/core'
import { onScopeDispose, watch, type Ref } from 'vue'

import { address } from '../api/client'

const DEBOUNCE_MS = 300 // several changes are one look
const RETRY_MS = 5000

interface Change {
  path: string
  previous: string | null
}

/** Calls `onChange` with the paths in or below the folder that changed, while the tab is open. */
export function useFileEvents(open: Ref<boolean>, path: Ref<string>, onChange: (paths: string[]) => void) {
  let changedPaths: string[] = []
  const notifyChanged = useDebounceFn(
    () => {
      onChange(changedPaths)
      changedPaths = []
    },
    DEBOUNCE_MS,
    { maxWait: 2000 },
  )
  let events: EventSource | null = null
  let timer = 0

  function record(...paths: string[]) {
    changedPaths.push(...paths)
    void notifyChanged()
  }

  function start() {
    stop()
    events = new EventSource(address(`api/files/events?path=${encodeURIComponent(path.value)}`))
    events.addEventListener('change', ({ data }: MessageEvent<string>) => {
      const { path: now, previous } = JSON.parse(data) as Change
      record(now, ...(previous ? [previous] : []))
    })
    events.addEventListener('again', () => record(path.value)) // more happened than is remembered
    events.onerror = () => {
      // Browsers reconnect by themselves unless refused (expired login, too many streams).
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
