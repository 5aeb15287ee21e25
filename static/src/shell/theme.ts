import { useDark } from '@vueuse/core'

/** Dark colours: as the reader chose, before that as the system says. Sets `html.dark`. */
export const dark = useDark({
  storageKey: 'easel.theme',
  disableTransition: false, // it would add an inline style, which a strict policy refuses
})
