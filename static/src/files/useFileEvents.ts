/** File changes on the server, as the window's event stream tells them. */
import { useDebounceFn } from '@vueuse/core'
import { onScopeDispose, watch, type Ref } from 'vue'

import { windowEvents } from '../api/windowEvents'

const DEBOUNCE_MS = 300 // several changes are one look

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
  let stop = () => {}

  function record(...paths: string[]) {
    changedPaths.push(...paths)
    void notifyChanged()
  }

  /** Whether a path is, or lies below, the folder. */
  const isBelow = (one: string) =>
    path.value === '/' || one === path.value || one.startsWith(`${path.value}/`)

  function start() {
    stop()
    stop = windowEvents.followFiles((paths) => {
      const here = paths?.filter(isBelow) ?? [path.value] // null: whatever may have changed
      if (here.length) record(...here)
    })
  }

  watch(open, (on) => (on ? start() : stop()), { immediate: true })
  onScopeDispose(() => stop())
}
