/** Keyboard shortcuts of txt2img and img2img (contract section 8.6). */
import { onKeyStroke } from '@vueuse/core'
import type { Ref } from 'vue'

interface ShortcutActions {
  generate: () => void
  skip: () => void
  interrupt: () => void
  move: (by: number) => void
}

export function useShortcuts(open: Ref<boolean>, actions: ShortcutActions) {
  onKeyStroke('Enter', (event) => {
    if (!open.value || event.isComposing) return
    if (event.ctrlKey || event.metaKey) actions.generate()
    else if (event.altKey) actions.skip()
    else return
    event.preventDefault()
  })
  onKeyStroke('Escape', (event) => {
    const closing = (event.target as HTMLElement).closest('[aria-expanded=true]') // an open list
    if (open.value && !closing) actions.interrupt()
  })
  onKeyStroke(['ArrowLeft', 'ArrowRight'], (event) => {
    const busy = (event.target as HTMLElement).closest(
      'input, textarea, [contenteditable], summary, [role=slider], [role=radiogroup], [role=tablist]',
    )
    if (open.value && !busy) actions.move(event.key === 'ArrowLeft' ? -1 : 1)
  })
}
