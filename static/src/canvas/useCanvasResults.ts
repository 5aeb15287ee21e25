/** Pictures that were drawn since the last ones: the candidates of the canvas. */
import { shallowRef, watch, type Ref } from 'vue'

import type { Candidate } from './candidates'

interface Result extends Candidate {
  infotext: string // empty for maps, which show what a unit has read
}

/** `pictures`: the latest first; they count as candidates while one `paints`. */
export function useCanvasResults(pictures: Readonly<Ref<readonly Result[]>>, paints: Readonly<Ref<boolean>>) {
  const candidates = shallowRef<readonly Candidate[]>([])
  watch(pictures, (now, before) => {
    const known = new Set(before.map(({ key }) => key))
    const drawn = now.filter(({ key, infotext }) => infotext && !known.has(key))
    if (paints.value && drawn.length > 0) candidates.value = drawn
  })
  return candidates
}
