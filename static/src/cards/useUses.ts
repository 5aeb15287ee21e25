/** When models were chosen last in this browser. */
import { useLocalStorage } from '@vueuse/core'

import type { Kind } from '../models/api'
import { withUse, type Uses } from './choices'

export function useUses() {
  const uses = useLocalStorage<Uses>('easel.cards.uses', {})
  return {
    uses,
    remember: (kind: Kind, name: string) => (uses.value = withUse(uses.value, kind, name, Date.now())),
  }
}
