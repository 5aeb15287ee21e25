/** Which section is open, and what one section hands to another. */
import { ref, shallowRef } from 'vue'

export type Place = 'txt2img' | 'img2img' | 'inpaint' | 'extras'

/** A picture, the text it was made with, or both, on the way to a section. */
export interface Handed {
  to: Place
  image: Blob | null
  infotext: string
  again: boolean // what came of this section goes back into it; its fields and mask stay
  words?: Words // these alone: nothing but the prompt is changed
}

export interface Words {
  prompt: string
  negative?: string // left out: as it is
}

export const tab = ref('txt2img')
export const handed = shallowRef<Handed | null>(null)

/** Open the section and give it these. */
export function hand(to: Place, image: Blob | null, infotext = '', again = false) {
  handed.value = { to, image, infotext, again }
  tab.value = to === 'inpaint' ? 'img2img' : to
}

/** Open the section with these words in its prompt. */
export function handWords(to: 'txt2img' | 'img2img', prompt: string, negative?: string) {
  handed.value = { to, image: null, infotext: '', again: false, words: { prompt, negative } }
  tab.value = to
}

/** What was handed to one of these places; it is given once. */
export function take(...places: Place[]): Handed | null {
  const given = handed.value
  if (!given || !places.includes(given.to)) return null
  handed.value = null
  return given
}
