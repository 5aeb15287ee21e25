/** The user's boards, and the one that is open. */
import { ref, shallowRef } from 'vue'

import { ApiError } from '../api/client'
import * as api from './boardsApi'
import type { Board, BoardChange, BoardFacts } from './boardsApi'

export type Boards = ReturnType<typeof useBoards>

export function useBoards(onRefused: (error: ApiError) => void) {
  const list = shallowRef<readonly BoardFacts[]>([])
  const opened = shallowRef<Board | null>(null)
  const busy = ref(false)

  /** What `work` gives; null where the service refuses, which is told. */
  async function attempt<T>(work: () => Promise<T>): Promise<T | null> {
    busy.value = true
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      if (error.status !== 401) onRefused(error)
      return null
    } finally {
      busy.value = false
    }
  }

  async function load() {
    const answer = await attempt(api.boards)
    if (answer) list.value = answer.boards
  }

  async function open(id: string) {
    opened.value = await attempt(() => api.board(id))
  }

  function close() {
    opened.value = null
    void load()
  }

  /** Change a board; the open one is shown as it is afterwards. */
  async function change(id: string, change: BoardChange): Promise<Board | null> {
    const changed = await attempt(() => api.changeBoard(id, change))
    if (changed && opened.value?.id === id) opened.value = changed
    if (changed) list.value = list.value.map((one) => (one.id === id ? changed : one))
    return changed
  }

  /** A new board with these pictures. */
  async function make(name: string, paths: readonly string[] = []): Promise<BoardFacts | null> {
    const made = await attempt(() => api.makeBoard(name))
    if (!made) return null
    list.value = [made, ...list.value]
    return paths.length ? change(made.id, { add: [...paths] }) : made
  }

  async function discard(id: string) {
    if (await attempt(() => api.deleteBoard(id))) {
      opened.value = null
      await load()
    }
  }

  return { list, opened, busy, load, open, close, change, make, discard }
}
