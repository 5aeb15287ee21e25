import { useDark } from '@vueuse/core'

/** Dark colours: as the reader chose, before that as the system says. Sets `html.dark`. */
export const dark = useDark({ storageKey: 'easel.theme' })
