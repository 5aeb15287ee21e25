/**
 * Where messages lie in the document.
 *
 * All but the topmost modal dialog is inert and lies below it, so messages lie inside of that dialog,
 * and move on when one opens or closes. Moving keeps the focus on a message's button.
 */

const MODAL = 'dialog:modal, .pswp' // .pswp: the viewer of pictures, which keeps the focus inside
const CHANGES = { childList: true, subtree: true, attributeFilter: ['open'] }

/** The element that messages belong into: the modal dialog opened last, or the body. */
export function messageHost(): HTMLElement {
  const modals = [...document.querySelectorAll<HTMLElement>(MODAL)].filter((each) => each.isConnected)
  return modals.at(-1) ?? document.body
}

let watched: MutationObserver | null = null

/** Keep these elements in the topmost dialog; with none, stop looking. */
export function followDialogs(elements: () => HTMLElement[]) {
  if (elements().length === 0) {
    watched?.disconnect()
    watched = null
  } else if (!watched) {
    watched = new MutationObserver(() => moveInto(messageHost(), elements()))
    watched.observe(document.body, CHANGES)
  }
}

function moveInto(host: HTMLElement, elements: HTMLElement[]) {
  for (const element of elements) {
    if (element.parentElement === host) continue
    const focused = element.contains(document.activeElement) ? (document.activeElement as HTMLElement) : null
    host.append(element)
    focused?.focus()
  }
}
