/**
 * Short messages at the foot of the window.
 *
 * They never catch the pointer, but for a button inside them, and the page keeps room for them
 * (`--messages`), so that no control has to lie below one. Each goes by its own clock: Element
 * Plus' stops for as long as the pointer rests on the message.
 */
import { ElMessage } from 'element-plus'
import type { VNode } from 'vue'

export type Kind = 'info' | 'success' | 'warning' | 'error'

export interface Message {
  text: string | VNode
  duration?: number // milliseconds
  closable?: boolean
}

const SHOWN_MS = 3000
const MOST = 3 // at once; the oldest goes first
const GAP = 16 // pixels between two, and below the lowest

interface Shown {
  text: string | VNode
  kind: Kind
  close: () => void
  renew: () => void
}
const shown: Shown[] = []

/** Show a message; gives what closes it. One that already stands there is shown for longer. */
export function notify(kind: Kind, message: string | Message): () => void {
  const { text, duration = SHOWN_MS, closable = false } = typeof message === 'string' ? { text: message } : message
  const same = shown.find((one) => one.text === text && one.kind === kind)
  if (same) {
    same.renew()
    return same.close
  }
  let timer = 0
  const handler = ElMessage({
    message: text,
    type: kind,
    duration: 0,
    showClose: closable,
    placement: 'bottom',
    offset: GAP,
    onClose: () => {
      clearTimeout(timer)
      const at = shown.indexOf(one)
      if (at >= 0) shown.splice(at, 1)
      requestAnimationFrame(keepRoom)
    },
  })
  const one: Shown = {
    text,
    kind,
    close: () => handler.close(),
    renew: () => {
      clearTimeout(timer)
      timer = window.setTimeout(() => handler.close(), duration)
    },
  }
  shown.push(one)
  one.renew()
  if (shown.length > MOST) shown[0]!.close()
  requestAnimationFrame(keepRoom)
  return one.close
}

/** Tell the page how many pixels at its foot the messages take. */
function keepRoom() {
  const standing = document.querySelectorAll<HTMLElement>('.el-message:not(.el-message-fade-leave-active)')
  const heights = shown.length ? [...standing].slice(-shown.length).map((each) => each.offsetHeight + GAP) : []
  const height = heights.reduce((sum, each) => sum + each, 0)
  document.documentElement.style.setProperty('--messages', height ? `${height + GAP}px` : '0px')
}
