/** What the logged-in user may do here; buttons for the rest are disabled, with the reason beside. */
import { computed, inject, type ComputedRef, type InjectionKey, type Ref } from 'vue'

import type { Session } from './api/sdapi'

export interface Rights {
  draw: boolean
  change: boolean // options, files, notes
  own: boolean // the service itself: plugins, new models, everybody's accounts
}

export const RIGHTS: InjectionKey<ComputedRef<Rights>> = Symbol('rights')

/** Rights by scope; all of them while the service has not said otherwise. */
export function rightsOf(session: Session | null): Rights {
  const scope = session?.scope ?? 'owner'
  return {
    draw: ['owner', 'user', 'generate'].includes(scope),
    change: ['owner', 'user'].includes(scope),
    own: scope === 'owner',
  }
}

export const computeRights = (session: Ref<Session | null>) => computed(() => rightsOf(session.value))

/** The rights that `App` provides. */
export function useRights(): ComputedRef<Rights> {
  return inject(RIGHTS, () => computed(() => rightsOf(null)), true)
}
