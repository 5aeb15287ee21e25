/** One request of the page: queued, followed and fetched, also over a lost connection. */
import { ApiError, connectionLost, probeConnection } from '../api/client'
import { dropJob, jobResult, postJob } from '../api/jobs'
import * as api from '../api/sdapi'
import { windowEvents } from '../api/windowEvents'

const POLL_MS = 300
const FAR_POLL_MS = 1500 // of jobs that wait behind others of this window

/** `job` is empty until the service has told it. */
export interface Task {
  task: string
  job: string
}

/** Who is told of a task. */
export interface TaskListener {
  isStopping: () => boolean
  isNear: () => boolean // among the first of the window: these are asked about more often
  onProgress: (state: api.TaskProgress) => void
  onPicture: (number: number, url: string) => void // of a batch, each as it is drawn
}

const pause = (milliseconds = POLL_MS) => new Promise<void>((go) => setTimeout(go, milliseconds))
const statusOf = (error: unknown) => (error instanceof ApiError ? error.status : null)

/** Queue a request, after a lost connection once the service is back; the job's id. */
export async function submit(
  path: string,
  request: api.GenerationRequest,
  isStopping: () => boolean,
): Promise<string> {
  for (;;) {
    try {
      return (await postJob(path, request, request.force_task_id)).id
    } catch (error) {
      if (statusOf(error) !== 0 || isStopping()) throw error
      probeConnection()
      while (connectionLost.value && !isStopping()) await pause()
    }
  }
}

/** The answer of a task, at its end. */
export async function awaitAnswer(task: Task, listener: TaskListener): Promise<api.GenerationResponse> {
  for (;;) {
    await follow(task, listener)
    try {
      return await fetchAnswer(task)
    } catch (error) {
      if (statusOf(error) !== 0) throw error
    }
  }
}

/** Poll a task's progress and hear of its pictures until it has ended. */
async function follow({ task, job }: Task, listener: TaskListener) {
  const { isStopping, isNear, onProgress, onPicture } = listener
  let over = false
  let wake = () => {}
  const ended = new Promise<void>((settle) => (wake = settle))
  const onEnd = () => {
    over = true
    wake()
  }
  let stopWatching: (() => void) | null = null
  let lastPreview = -1
  try {
    while (!over) {
      if (job) stopWatching ??= windowEvents.followJob(job, { onPicture, onEnd })
      const state = await askProgress(task, lastPreview)
      if (state && !state.active && !state.queued) return
      if (state && !over) {
        onProgress(state)
        lastPreview = state.id_live_preview
        // The interrupt may have arrived before the request was queued: repeat it.
        if (isStopping() && !state.active) await api.interrupt(task).catch(() => undefined)
      }
      await Promise.race([ended, pause(isNear() || isStopping() ? POLL_MS : FAR_POLL_MS)])
    }
  } finally {
    stopWatching?.()
  }
}

/** How a task stands; null where the service does not tell now. */
async function askProgress(task: string, lastPreview: number): Promise<api.TaskProgress | null> {
  try {
    return await api.progress(task, lastPreview)
  } catch (error) {
    const status = statusOf(error)
    if (status === null || status === 401) throw error
    if (status === 0) probeConnection()
    return null
  }
}

async function fetchAnswer({ task, job }: Task): Promise<api.GenerationResponse> {
  if (!job) return api.answer(task)
  const answer = await jobResult<api.GenerationResponse>(job)
  void dropJob(job).catch(() => undefined) // else the service keeps it for an hour
  return answer
}
