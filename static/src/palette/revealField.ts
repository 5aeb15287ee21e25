/** Brings a field into sight, its fold opened, and the keyboard into it. */
import { nextTick } from 'vue'

/** False where the section has no such field now. */
export async function revealField(id: string, fold?: string): Promise<boolean> {
  if (!findVisible(id) || fold === id) {
    const head = fold && findVisible(fold)?.querySelector<HTMLElement>('.head [aria-expanded=false]')
    if (head) head.click()
    await nextTick()
  }
  const element = findVisible(id)
  if (!element) return false
  element.scrollIntoView({ block: 'center' })
  focusIn(element)
  return true
}

/** Sections that are kept have elements of the same ids, but out of the document. */
function findVisible(id: string): HTMLElement | null {
  const element = document.getElementById(id)
  return element?.checkVisibility() ? element : null
}

const FOCUSABLE = 'input, textarea, button, [tabindex="0"]'

function focusIn(element: HTMLElement) {
  const target = element.matches(FOCUSABLE) ? element : element.querySelector<HTMLElement>(FOCUSABLE)
  target?.focus({ preventScroll: true })
}
