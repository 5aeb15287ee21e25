/** State of the dialog about name conflicts. */
import { shallowRef } from 'vue'

import type { Conflict } from './api'

export interface ConflictQuestion {
  names: string[] // that are taken, or as many as are known
  resolve: (choice: Conflict | null) => void
}

export type ConflictDialogState = ReturnType<typeof useConflictDialog>

export function useConflictDialog() {
  const question = shallowRef<ConflictQuestion | null>(null)

  /** Ask what to do about names that are taken; null: cancel. */
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
