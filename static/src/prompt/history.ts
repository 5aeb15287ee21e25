/** The last prompts of this browser's user; those of all its windows. */
import { ref, type Ref } from 'vue'

export interface PastPrompt {
  prompt: string
  negative: string
  at: number // milliseconds, when it was last drawn
}

const KEY = 'easel.prompts' // forgotten at the logout, as everything that begins like this
const MAX_ENTRIES = 200
const MAX_CHARACTERS = 1_000_000 // of all together: browsers keep a few megabytes

export function usePromptHistory(storage: Storage = localStorage): {
  entries: Ref<PastPrompt[]>
  add: (prompt: string, negative: string, at?: number) => void
  load: () => void
  clear: () => void
} {
  const entries = ref<PastPrompt[]>([])
  const load = () => void (entries.value = read(storage))
  return {
    entries,
    load,
    /** What another window added meanwhile is kept. */
    add(prompt, negative, at = Date.now()) {
      if (prompt.trim() === '' && negative.trim() === '') return
      entries.value = withPrompt(read(storage), { prompt, negative, at })
      write(storage, entries.value)
    },
    clear() {
      entries.value = []
      storage.removeItem(KEY)
    },
  }
}

/** The newest first, each pair once, within the bounds. */
export function withPrompt(entries: PastPrompt[], added: PastPrompt): PastPrompt[] {
  const others = entries.filter(
    ({ prompt, negative }) => prompt !== added.prompt || negative !== added.negative,
  )
  let room = MAX_CHARACTERS
  return [added, ...others].slice(0, MAX_ENTRIES).filter(({ prompt, negative }) => {
    room -= prompt.length + negative.length
    return room >= 0
  })
}

/** Those that have every word of the search, in any order and case. */
export function searchPrompts(entries: PastPrompt[], search: string): PastPrompt[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean)
  return entries.filter(({ prompt, negative }) => {
    const text = `${prompt}\n${negative}`.toLowerCase()
    return words.every((word) => text.includes(word))
  })
}

function read(storage: Storage): PastPrompt[] {
  try {
    const stored = JSON.parse(storage.getItem(KEY) ?? '[]') as unknown
    return Array.isArray(stored) ? stored.filter(isPastPrompt).slice(0, MAX_ENTRIES) : []
  } catch {
    return [] // damaged: as if it were not there
  }
}

function isPastPrompt(value: unknown): value is PastPrompt {
  const { prompt, negative, at } = (value ?? {}) as Partial<PastPrompt>
  return typeof prompt === 'string' && typeof negative === 'string' && typeof at === 'number'
}

function write(storage: Storage, entries: PastPrompt[]) {
  try {
    storage.setItem(KEY, JSON.stringify(entries))
  } catch {
    // Full or forbidden: the prompts of this window are still listed.
  }
}
