/** Keeps the address of the window and the open place together: links, back and forward work. */
import { useEventListener } from '@vueuse/core'
import { nextTick, watch } from 'vue'

import { currentPlace, goTo } from '../navigation'
import { isStep, readHash, writeHash } from './routes'

/** `first`: the section of an address without `#`. */
export function useAddress(first: string) {
  let shown = readHash(location.hash) ?? { section: first, rest: '' }
  let following = false // what the address says, so that it is not written again

  async function follow() {
    const place = readHash(location.hash) ?? { section: first, rest: '' }
    following = true
    shown = place
    goTo(place)
    await nextTick()
    following = false
  }

  goTo(shown)
  useEventListener(window, ['popstate', 'hashchange'], () => void follow())
  watch(currentPlace, (now) => {
    const before = shown
    shown = now
    if (before.section === now.section && before.rest === now.rest) return
    const hash = writeHash(now)
    if (following || !isStep(before, now)) history.replaceState(history.state, '', hash)
    else history.pushState(null, '', hash)
  })
}
