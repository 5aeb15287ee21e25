import { useDark } from '@vueuse/core'

/** Dark mode: the chosen one, at first the system's. Sets `html.dark`. */
export const dark = useDark({
  storageKey: 'easel.theme',
  disableTransition: false, // it would add an inline style, which a strict policy refuses
})
