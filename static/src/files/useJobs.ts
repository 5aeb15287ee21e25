/** File jobs: polls them until they end, and cancels them. */
import { useIntervalFn } from '@vueuse/core'
import { shallowRef } from 'vue'

import * as api from './api'

const POLL_MS = 700

export type Jobs = ReturnType<typeof useJobs>

export function useJobs(onError: (error: unknown) => void, onEnd: (job: api.Job) => void) {
  const running = shallowRef<api.Job[]>([])
  const { pause, resume } = useIntervalFn(() => void poll(), POLL_MS, { immediate: false })

  async function follow(id: string) {
    try {
      update(await api.job(id))
    } catch (error) {
      onError(error)
    }
  }

  /** Follow open jobs that were started earlier or elsewhere. */
  async function loadOpen() {
    for (const job of (await api.jobs()).jobs) if (isOpen(job)) update(job)
  }

  function update(job: api.Job) {
    const others = running.value.filter(({ id }) => id !== job.id)
    running.value = isOpen(job) ? [...others, job] : others
    if (isOpen(job)) resume()
    else onEnd(job)
  }

  async function poll() {
    await Promise.all(running.value.map(({ id }) => follow(id)))
    if (running.value.length === 0) pause()
  }

  async function cancel(id: string) {
    try {
      await api.cancelJob(id)
    } catch (error) {
      onError(error)
    }
  }

  return { running, follow, loadOpen, cancel }
}

function isOpen({ state }: api.Job): boolean {
  return state === 'waiting' || state === 'running'
}
