/** A question to the reader that something waits for. */
import { shallowRef } from 'vue'

import type { Conflict } from './api'

export interface TakenQuestion {
  names: string[] // that are taken, or as many as are known
  resolve: (choice: Conflict | null) => void
}

export type Asking = ReturnType<typeof useAsking>

export function useAsking() {
  const question = shallowRef<TakenQuestion | null>(null)

  /** What to do with names that are taken; null for nothing at all. */
  function whatIfTaken(names: string[]): Promise<Conflict | null> {
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

  return { question, whatIfTaken }
}
