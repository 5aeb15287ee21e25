/** The keys of a drawing section (contract section 8.6). */
import { onKeyStroke } from '@vueuse/core'
import type { Ref } from 'vue'

interface Acts {
  generate: () => void
  skip: () => void
  interrupt: () => void
  move: (by: number) => void
}

export function useKeys(open: Ref<boolean>, acts: Acts) {
  onKeyStroke('Enter', (event) => {
    if (!open.value || event.isComposing) return
    if (event.ctrlKey || event.metaKey) acts.generate()
    else if (event.altKey) acts.skip()
    else return
    event.preventDefault()
  })
  onKeyStroke('Escape', (event) => {
    const closing = (event.target as HTMLElement).closest('[aria-expanded=true]') // an open list
    if (open.value && !closing) acts.interrupt()
  })
  onKeyStroke(['ArrowLeft', 'ArrowRight'], (event) => {
    const busy = (event.target as HTMLElement).closest(
      'input, textarea, summary, [role=slider], [role=radiogroup], [role=tablist]',
    )
    if (open.value && !busy) acts.move(event.key === 'ArrowLeft' ? -1 : 1)
  })
}
