/** A running merge or conversion: its progress, what came of it, and its end on request. */
import { reactive, ref } from 'vue'

import { ApiError } from '../api/client'
import * as api from '../api/sdapi'
import type { Failure } from '../generation/useGeneration'
import type { WrittenModel } from './api'

const POLL_MS = 500

export function useModelJob() {
  const running = ref(false)
  const stopping = ref(false)
  const progress = reactive({ share: 0, queue: '' })
  const failure = ref<Failure | null>(null)
  const written = ref<WrittenModel | null>(null)
  let current = ''

  /** Ask for the job that `ask` sends under a task's name, and follow it to its end. */
  async function run(ask: (task: string) => Promise<WrittenModel>) {
    if (running.value) return
    current = `task(models-${crypto.getRandomValues(new Uint32Array(1))[0]!.toString(36)})`
    Object.assign(progress, { share: 0, queue: '' })
    running.value = true
    stopping.value = false
    failure.value = written.value = null
    void follow(current)
    try {
      written.value = await ask(current)
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      if (error.status !== 401) failure.value = error
    } finally {
      running.value = false
    }
  }

  async function follow(task: string) {
    while (running.value && current === task) {
      const state = await api.progress(task, -1).catch(() => null)
      if (state) {
        progress.share = state.progress ?? progress.share
        progress.queue = state.queued ? (state.textinfo?.replace(/^\D+/, '') ?? '') : ''
        if (stopping.value && !state.active) await api.interrupt(task).catch(() => undefined)
      }
      await new Promise((go) => setTimeout(go, POLL_MS))
    }
  }

  async function interrupt() {
    stopping.value = true
    await api.interrupt(current).catch(() => (stopping.value = false))
  }

  return { running, stopping, progress, failure, written, run, interrupt }
}
