/** The checkpoint in use: the selected one while it exists, else the service's default. */
import { computed, watch, type Ref } from 'vue'

import type { Catalogue } from '../useCatalogue'
import type { Fields } from './useFields'

const FALLBACK_SIDE = 512 // pixels; what Stable Diffusion 1 was trained at

export function useCheckpoint(
  { session, checkpoints }: Catalogue,
  fields: Ref<Fields>,
  onGone: (name: string, next: string) => void,
) {
  const used = computed(() => {
    const files = checkpoints.value
    return (
      files.find(({ filename }) => filename === fields.value.checkpoint) ??
      files.find(({ title }) => title === session.value?.checkpoint) ??
      files[0] ??
      null
    )
  })
  const side = computed(() => {
    const { default_size, default_sizes } = session.value ?? {}
    return default_sizes?.[used.value?.title ?? ''] ?? default_size ?? FALLBACK_SIDE
  })

  watch(
    checkpoints,
    (files, previous) => {
      const chosen = fields.value.checkpoint
      if (files.length === 0 || files.some(({ filename }) => filename === chosen)) return
      const missing = previous?.find(({ filename }) => filename === chosen)
      const next = used.value!
      // Stored from now on: a model that is added later must not replace it.
      fields.value.checkpoint = next.filename
      if (missing) onGone(missing.model_name, next.model_name)
    },
    { immediate: true },
  )
  return { used, side }
}
