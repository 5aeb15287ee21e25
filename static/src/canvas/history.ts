/** Undo and redo with bounded memory: the oldest steps are dropped first. */

export type History<T> = ReturnType<typeof createHistory<T>>

/** `bytes` says what a step keeps; `most` bytes are kept, and always the latest step. */
export function createHistory<T>(bytes: (step: T) => number, most: number) {
  let done: T[] = []
  let undone: T[] = []

  function dropOldest() {
    let from = done.length - 1
    let kept = bytes(done[from]!)
    while (from > 0 && (kept += bytes(done[from - 1]!)) <= most) from--
    done = done.slice(from)
  }

  return {
    /** A new step; what was undone cannot be done again. */
    push(step: T) {
      done.push(step)
      undone = []
      dropOldest()
    },
    /** The step to take back; null where there is none. */
    undo(): T | null {
      const step = done.pop()
      if (step === undefined) return null
      undone.push(step)
      return step
    },
    /** The step to do again. */
    redo(): T | null {
      const step = undone.pop()
      if (step === undefined) return null
      done.push(step)
      return step
    },
    /** Whether such a step is kept, done or undone. */
    some: (test: (step: T) => boolean) => done.some(test) || undone.some(test),
    clear() {
      done = []
      undone = []
    },
    get undoable() {
      return done.length
    },
    get redoable() {
      return undone.length
    },
  }
}
