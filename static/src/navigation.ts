/** The open section, and transfers of pictures and prompts between sections. */
import { ref, shallowRef } from 'vue'

export type Destination = 'txt2img' | 'img2img' | 'inpaint' | 'extras'

/** A picture, its infotext, or both, for a section. */
export interface Transfer {
  to: Destination
  image: Blob | null
  infotext: string
  again: boolean // what came of this section goes back into it; its fields and mask stay
  words?: PromptText // these alone: nothing but the prompt is changed
  seed?: number // this alone
  control?: Blob // this alone: a picture for a ControlNet unit
}

export interface PromptText {
  prompt: string
  negative?: string // left out: as it is
}

export const currentTab = ref('txt2img')
export const pendingTransfer = shallowRef<Transfer | null>(null)

/** Open a section and pass it a picture and an infotext. */
export function sendTo(to: Destination, image: Blob | null, infotext = '', again = false) {
  pendingTransfer.value = { to, image, infotext, again }
  currentTab.value = to === 'inpaint' ? 'img2img' : to
}

/** Open a section and pass it a prompt. */
export function sendPrompt(to: 'txt2img' | 'img2img', prompt: string, negative?: string) {
  pendingTransfer.value = { to, image: null, infotext: '', again: false, words: { prompt, negative } }
  currentTab.value = to
}

/** Open a form and pass it a seed alone, or a picture for ControlNet. */
export function sendParts(to: 'txt2img' | 'img2img', parts: Pick<Transfer, 'seed' | 'control'>) {
  pendingTransfer.value = { to, image: null, infotext: '', again: false, ...parts }
  currentTab.value = to
}

/** Take the pending transfer to one of these destinations; null if there is none. */
export function takeTransfer(...places: Destination[]): Transfer | null {
  const transfer = pendingTransfer.value
  if (!transfer || !places.includes(transfer.to)) return null
  pendingTransfer.value = null
  return transfer
}
