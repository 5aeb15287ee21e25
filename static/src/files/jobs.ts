/** Copies and moves that take long: followed until they end, and cancelled. */
import { useIntervalFn } from '@vueuse/core'
import { shallowRef } from 'vue'

import * as api from './api'

const LOOK_MS = 700

export type Jobs = ReturnType<typeof useJobs>

export function useJobs(onError: (error: unknown) => void, onEnd: (job: api.Job) => void) {
  const running = shallowRef<api.Job[]>([])
  const { pause, resume } = useIntervalFn(() => void look(), LOOK_MS, { immediate: false })

  async function follow(id: string) {
    try {
      take(await api.job(id))
    } catch (error) {
      onError(error)
    }
  }

  /** Those that were begun before the page was loaded, or elsewhere. */
  async function find() {
    for (const job of (await api.jobs()).jobs) if (isOpen(job)) take(job)
  }

  function take(job: api.Job) {
    const others = running.value.filter(({ id }) => id !== job.id)
    running.value = isOpen(job) ? [...others, job] : others
    if (isOpen(job)) resume()
    else onEnd(job)
  }

  async function look() {
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

  return { running, follow, find, cancel }
}

function isOpen({ state }: api.Job): boolean {
  return state === 'waiting' || state === 'running'
}
