/**
 * Short messages at the bottom of the window.
 *
 * They never catch the pointer, but for a button inside them, and the page keeps room for them
 * (`--messages`), so that no control has to lie below one. Each goes by its own clock: Element
 * Plus' stops for as long as the pointer rests on the message. It stands still while the focus is
 * on a button of the message, which F8 brings there.
 */
import { ElMessage } from 'element-plus'
import type { VNode } from 'vue'

import { followDialogs, messageHost } from './messageHost'

export type NotificationKind = 'info' | 'success' | 'warning' | 'error'

export interface Message {
  text: string | VNode
  duration?: number // milliseconds
  closable?: boolean
}

const DEFAULT_MS = 3000
const MAX_OPEN = 3 // at once; the oldest goes first
const GAP_PX = 16 // pixels between two, and below the lowest

interface OpenMessage {
  text: string | VNode
  kind: NotificationKind
  element: HTMLElement
  close: () => void
  renew: () => void
}
const openMessages: OpenMessage[] = []

/** Show a message; returns a function that closes it. A repeated message is shown longer. */
export function notify(kind: NotificationKind, message: string | Message): () => void {
  const {
    text,
    duration = DEFAULT_MS,
    closable = false,
  } = typeof message === 'string' ? { text: message } : message
  const existing = openMessages.find((entry) => entry.text === text && entry.kind === kind)
  if (existing) {
    existing.renew()
    return existing.close
  }
  let timer = 0
  const host = messageHost()
  const handler = ElMessage({
    message: text,
    type: kind,
    duration: 0,
    showClose: closable,
    appendTo: host,
    placement: 'bottom',
    offset: GAP_PX,
    onClose: () => {
      clearTimeout(timer)
      const at = openMessages.indexOf(entry)
      if (at >= 0) openMessages.splice(at, 1)
      giveFocusBack(entry.element)
      onCountChanged()
    },
  })
  const entry: OpenMessage = {
    text,
    kind,
    element: host.lastElementChild as HTMLElement,
    close: () => handler.close(),
    renew: () => {
      clearTimeout(timer)
      timer = window.setTimeout(() => handler.close(), duration)
    },
  }
  openMessages.push(entry)
  entry.renew()
  entry.element.addEventListener('focusin', () => clearTimeout(timer))
  entry.element.addEventListener('focusout', entry.renew)
  if (openMessages.length > MAX_OPEN) openMessages[0]!.close()
  onCountChanged()
  return entry.close
}

const elements = () => openMessages.map(({ element }) => element)

function onCountChanged() {
  followDialogs(elements)
  requestAnimationFrame(reserveSpace)
}

let focusedBefore: HTMLElement | null = null

/** Focus the button of the latest message that has one; false if none has. */
export function focusMessage(): boolean {
  const buttons = elements().flatMap((each) => each.querySelector<HTMLElement>('button, a') ?? [])
  const button = buttons.at(-1)
  if (!button) return false
  const { activeElement } = document
  if (!activeElement?.closest('.el-message')) focusedBefore = activeElement as HTMLElement | null
  button.focus()
  return true
}

function giveFocusBack(closing: HTMLElement) {
  if (closing.contains(document.activeElement)) focusedBefore?.focus()
}

/** Let F8 go to messages, also from within a dialog, which keeps other keys to itself. */
export function listenForMessageKey() {
  window.addEventListener(
    'keydown',
    (event) => {
      if (event.key === 'F8' && focusMessage()) event.preventDefault()
    },
    { capture: true },
  )
}

/** Set `--messages`: the height in pixels that messages take at the bottom. */
function reserveSpace() {
  const heights = elements().map((each) => each.offsetHeight + GAP_PX)
  const height = heights.reduce((sum, each) => sum + each, 0)
  document.documentElement.style.setProperty('--messages', height ? `${height + GAP_PX}px` : '0px')
}
