/**
 * Short messages at the bottom of the window.
 *
 * They never catch the pointer, but for a button inside them, and the page keeps room for them
 * (`--messages`), so that no control has to lie below one. Each goes by its own clock: Element
 * Plus' stops for as long as the pointer rests on the message.
 */
import { ElMessage } from 'element-plus'
import type { VNode } from 'vue'

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
  const handler = ElMessage({
    message: text,
    type: kind,
    duration: 0,
    showClose: closable,
    placement: 'bottom',
    offset: GAP_PX,
    onClose: () => {
      clearTimeout(timer)
      const at = openMessages.indexOf(entry)
      if (at >= 0) openMessages.splice(at, 1)
      requestAnimationFrame(reserveSpace)
    },
  })
  const entry: OpenMessage = {
    text,
    kind,
    close: () => handler.close(),
    renew: () => {
      clearTimeout(timer)
      timer = window.setTimeout(() => handler.close(), duration)
    },
  }
  openMessages.push(entry)
  entry.renew()
  if (openMessages.length > MAX_OPEN) openMessages[0]!.close()
  requestAnimationFrame(reserveSpace)
  return entry.close
}

/** Set `--messages`: the height in pixels that messages take at the bottom. */
function reserveSpace() {
  const elements = document.querySelectorAll<HTMLElement>('.el-message:not(.el-message-fade-leave-active)')
  const heights = openMessages.length
    ? [...elements].slice(-openMessages.length).map((each) => each.offsetHeight + GAP_PX)
    : []
  const height = heights.reduce((sum, each) => sum + each, 0)
  document.documentElement.style.setProperty('--messages', height ? `${height + GAP_PX}px` : '0px')
}
