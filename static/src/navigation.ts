/** The open section, and transfers of pictures and prompts between sections. */
import { computed, reactive, ref, shallowRef, type WritableComputedRef } from 'vue'

import type { Place } from './shell/routes'

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
const opened = reactive<Record<string, string>>({}) // in each section

/** The open section and what is open in it, as the address tells. */
export const currentPlace = computed<Place>(() => ({
  section: currentTab.value,
  rest: opened[currentTab.value] ?? '',
}))

/** Open a place; '' leaves what a section has open, which then tells it. */
export function goTo({ section, rest }: Place) {
  opened[section] = rest
  currentTab.value = section
}

/** What is open in a section: a folder, a picture; '' for what it begins with. */
export function useOpened(section: string): WritableComputedRef<string> {
  return computed({ get: () => opened[section] ?? '', set: (rest) => (opened[section] = rest) })
}

/** Which of a section's views is open; the first is what it begins with. */
export function useOpenedView<T extends string>(
  section: string,
  views: () => readonly T[],
): WritableComputedRef<T> {
  const rest = useOpened(section)
  return computed({
    get: () => views().find((each) => each === rest.value) ?? views()[0]!,
    set: (view) => (rest.value = view === views()[0] ? '' : view),
  })
}

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
