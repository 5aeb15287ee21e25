/** State that each window has for itself, begun from what was last used in any. */
import { ref, watch, type Ref } from 'vue'

/** Where state is kept: through a reload of this window, and for the next one that is opened. */
export interface Storages {
  window: Storage
  last: Storage
}

const OWNER = 'easel.owner' // whose the state in a storage is

/** `fill` adds what stored state lacks. Other windows never change it. */
export function useWindowState<T>(
  key: string,
  initial: T,
  fill: (stored: Partial<T>, initial: T) => T,
  storages: Storages = { window: sessionStorage, last: localStorage },
): Ref<T> {
  const stored = read<T>(storages.window, key) ?? read<T>(storages.last, key)
  const state = ref(stored === null ? initial : fill(stored, initial)) as Ref<T>
  watch(
    state,
    (now) => {
      const text = JSON.stringify(now)
      storages.window.setItem(key, text)
      storages.last.setItem(key, text)
    },
    { deep: true },
  )
  return state
}

/** What a storage has, null where it has nothing or nothing that can be read. */
function read<T>(storage: Storage, key: string): Partial<T> | null {
  try {
    return JSON.parse(storage.getItem(key) ?? 'null') as Partial<T> | null
  } catch {
    return null // damaged: as if it were not there
  }
}

/** Merge a flat stored object with its initial state. */
export const fillFlat = <T extends object>(stored: Partial<T>, initial: T): T => ({ ...initial, ...stored })

/**
 * Make both storages those of this user: what somebody else left in one is forgotten by `forget`.
 * A window that slept while its user logged out elsewhere still has theirs. True if there was any.
 */
export function claimStorages(
  user: string,
  forget: (storage: Storage) => void,
  { window, last }: Storages = { window: sessionStorage, last: localStorage },
): boolean {
  const others = [window, last].filter((storage) => (storage.getItem(OWNER) ?? user) !== user)
  others.forEach(forget)
  for (const storage of [window, last]) storage.setItem(OWNER, user)
  return others.length > 0
}
