/** Opens the menu "Send to" for a picture; SendHost shows it. */
import { shallowRef } from 'vue'

import type { SendablePicture } from './sendable'

export interface OpenSendMenu {
  picture: SendablePicture
  at: { x: number; y: number } // pixels of the window
  from: HTMLElement | null // gets the keyboard back
  before?: (name: string) => void // an action that was picked
}

export const sendMenu = shallowRef<OpenSendMenu | null>(null)

/** The picture on the canvas, whose actions the palette has. */
export const canvasPicture = shallowRef<SendablePicture | null>(null)

/** Open it where a menu was asked for, by mouse, finger or key. */
export function openSendMenu(
  event: MouseEvent,
  picture: SendablePicture | null,
  before?: OpenSendMenu['before'],
) {
  if (!picture) return
  event.preventDefault()
  const from = event.currentTarget as HTMLElement | null
  const box = from?.getBoundingClientRect()
  const isByKey = event.clientX === 0 && event.clientY === 0
  const at = isByKey && box ? { x: box.left + 12, y: box.top + 12 } : { x: event.clientX, y: event.clientY }
  sendMenu.value = { picture, at, from: focusable(from), before }
}

/** Open it below a button. */
export function openSendMenuBelow(
  from: HTMLElement,
  picture: SendablePicture,
  before?: OpenSendMenu['before'],
) {
  const { left, bottom } = from.getBoundingClientRect()
  sendMenu.value = { picture, at: { x: left, y: bottom + 4 }, from, before }
}

function focusable(element: HTMLElement | null): HTMLElement | null {
  return element?.matches('button, a, [tabindex]') ? element : (document.activeElement as HTMLElement | null)
}
