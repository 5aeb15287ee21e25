/** Copies and moves that take long: followed until they end, and cancelled. */
import { useIntervalFn } from '@vueuse/core'
import { computed, shallowRef } from 'vue'

import * as api from './api'

const LOOK_MS = 700

export type Jobs = ReturnType<typeof useJobs>

export function useJobs(onError: (error: unknown) => void, onEnd: (job: api.Job) => void) {
  const jobs = shallowRef<api.Job[]>([])
  const running = computed(() => jobs.value.filter(({ state }) => state === 'running'))
  const { pause, resume } = useIntervalFn(() => void look(), LOOK_MS, { immediate: false })

  function follow(job: api.Job) {
    jobs.value = [...jobs.value.filter(({ id }) => id !== job.id), job]
    if (job.state === 'running') resume()
  }

  async function look() {
    for (const { id } of running.value) {
      try {
        const now = await api.job(id)
        follow(now)
        if (now.state !== 'running') ended(now)
      } catch (error) {
        jobs.value = jobs.value.filter((job) => job.id !== id)
        onError(error)
      }
    }
    if (running.value.length === 0) pause()
  }

  function ended(job: api.Job) {
    jobs.value = jobs.value.filter(({ id }) => id !== job.id)
    onEnd(job)
  }

  async function cancel(id: string) {
    try {
      await api.cancelJob(id)
    } catch (error) {
      onError(error)
    }
  }

  return { running, follow, cancel }
}
