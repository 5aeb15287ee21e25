/** Candidates on the canvas: which is shown, accepted or thrown away, and what was before. */
import { computed, ref, shallowRef, watch } from 'vue'

import { loadPicture } from '../pictures'
import {
  findShown,
  moveShown,
  newCandidates,
  NO_CANDIDATES,
  throwAway,
  type Candidate,
  type Candidates,
} from './candidates'
import type { CanvasDocument } from './document'

export async function decodePicture(uri: string): Promise<HTMLImageElement> {
  const picture = new Image()
  picture.src = uri
  await picture.decode()
  return picture
}

/** `given`: what was drawn last. */
export function useCandidates(given: () => readonly Candidate[], drawing: CanvasDocument) {
  const state = shallowRef<Candidates>(NO_CANDIDATES)
  const peeking = ref(false) // what was before is shown, while a key is held
  const image = shallowRef<HTMLImageElement | null>(null) // of the candidate that is shown
  const isBare = computed(() => peeking.value || image.value !== null) // only a picture is shown

  watch(given, (list) => drawing.choose(newCandidates(list), false))
  watch(
    () => findShown(state.value),
    async (candidate) => {
      const next = candidate && (await decodePicture(candidate.url).catch(() => null))
      if (candidate === findShown(state.value)) image.value = next
    },
  )

  /** What is to be seen of the picture. */
  function findPicture(): CanvasImageSource | null {
    if (!peeking.value) return image.value ?? drawing.base
    return image.value ? drawing.base : (drawing.before ?? drawing.base)
  }

  async function accept() {
    const candidate = findShown(state.value)
    if (!candidate) return
    const { uri } = await loadPicture(candidate.blob)
    drawing.accept(await decodePicture(uri))
  }

  return {
    state,
    peeking,
    image,
    isBare,
    findPicture,
    accept,
    /** After the document has changed. */
    sync: () => (state.value = drawing.candidates),
    show: (shown: number | null) => drawing.choose({ ...state.value, shown }, false),
    move: (by: number) => drawing.choose(moveShown(state.value, by), false),
    throwAway: () => drawing.choose(throwAway(state.value), true),
  }
}
