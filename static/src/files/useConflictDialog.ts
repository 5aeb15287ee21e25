/** A question to the reader that something waits for. */
import { shallowRef } from 'vue'

import type { Conflict } from './api'

export interface ConflictQuestion {
  names: string[] // that are taken, or as many as are known
  resolve: (choice: Conflict | null) => void
}

export type ConflictDialogState = ReturnType<typeof useConflictDialog>

export function useConflictDialog() {
  const question = shallowRef<ConflictQuestion | null>(null)

  /** What to do with names that are taken; null for nothing at all. */
  function askAboutConflict(names: string[]): Promise<Conflict | null> {
    question.value?.resolve(null)
    return new Promise((resolve) => {
      question.value = {
        names,
        resolve: (choice) => {
          question.value = null
          resolve(choice)
        },
      }
    })
  }

  return { question, askAboutConflict }
}
