/** A training in work: its step, loss and end, and a picture drawn with the word then. */
import { reactive, ref } from 'vue'

import { ApiError, post } from '../api/client'
import * as api from '../api/sdapi'
import type { Failure } from '../generation/useGeneration'
import { addPoint, readLoss, trainEmbedding, type LossPoint, type Training } from './training'

const POLL_MS = 500

export function useTraining() {
  const running = ref(false)
  const stopping = ref(false)
  const progress = reactive({ step: 0, queue: '', curve: [] as LossPoint[] })
  const failure = ref<Failure | null>(null)
  const ended = ref('') // the word that was trained
  const picture = ref('') // data URI
  let current = ''

  /** Train, then draw `prompt`, where there is one. */
  async function run(training: Training, prompt: string) {
    if (running.value) return
    current = `task(train-${crypto.getRandomValues(new Uint32Array(1))[0]!.toString(36)})`
    Object.assign(progress, { step: 0, queue: '', curve: [] })
    failure.value = null
    ended.value = picture.value = ''
    stopping.value = false
    running.value = true
    void follow(current, training.steps)
    try {
      await trainEmbedding(training, current)
      ended.value = training.embedding_name
      running.value = false
      if (prompt) await tryWord(training, prompt)
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      if (error.status !== 401) failure.value = error
    } finally {
      running.value = false
    }
  }

  async function tryWord({ training_width: width, training_height: height }: Training, prompt: string) {
    const body = { prompt, width, height, steps: 20, save_images: false, send_images: true }
    const { images } = await post<api.GenerationResponse>('sdapi/v1/txt2img', body)
    picture.value = images[0] ? `data:image/png;base64,${images[0]}` : ''
  }

  async function follow(task: string, steps: number) {
    while (running.value && current === task) {
      const state = await api.progress(task, -1).catch(() => null)
      const loss = readLoss(state?.textinfo ?? null)
      if (state) progress.queue = state.queued ? (state.textinfo?.replace(/^\D+/, '') ?? '') : ''
      if (state?.active && loss !== null) {
        progress.step = Math.round((state.progress ?? 0) * steps)
        progress.curve = addPoint(progress.curve, [progress.step, loss])
      }
      if (state && stopping.value && !state.active) await api.interrupt(task).catch(() => undefined)
      await new Promise((go) => setTimeout(go, POLL_MS))
    }
  }

  async function interrupt() {
    stopping.value = true
    await api.interrupt(current).catch(() => (stopping.value = false))
  }

  return { running, stopping, progress, failure, ended, picture, run, interrupt }
}
