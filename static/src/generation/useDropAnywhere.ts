/** Pictures from outside that are dropped where nothing else takes them, while this is on the screen. */
import { useEventListener } from '@vueuse/core'
import { onActivated, onDeactivated } from 'vue'

export function useDropAnywhere(take: (event: DragEvent) => void) {
  let onScreen = true
  let ours = false // dragged from this page, onto a board for one
  onActivated(() => (onScreen = true))
  onDeactivated(() => (onScreen = false))
  useEventListener(window, 'dragstart', () => (ours = true))
  useEventListener(window, 'dragend', () => (ours = false))
  useEventListener(window, 'drop', (event: DragEvent) => {
    const inDialog = event.target instanceof Element && event.target.closest('dialog') !== null
    if (onScreen && !ours && !inDialog) take(event)
  })
}
