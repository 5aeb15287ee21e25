/** The jobs of this window with their progress, and the pictures of this session. */
import { computed, reactive, ref, shallowRef } from 'vue'

import { ApiError, type Refusal } from '../api/client'
import * as api from '../api/sdapi'
import { toBlob, measurePicture } from '../pictures'
import type { GenerationKind } from './useFields'
import { parseInfotext } from './infotext'
import {
  newJob,
  NOTHING,
  readProgress,
  readStored,
  shownJob,
  toStored,
  type DrawingJob,
  type StoredTask,
} from './drawingJobs'
import { isPlot } from './plots'
import { awaitAnswer, submit, type TaskListener } from './task'

const NEAR = 3 // jobs of a window that are looked at closely
const MAX_PICTURES = 200 // pictures; older ones are on the server's disk

type Format = 'png' | 'jpeg' | 'webp'

export interface Picture {
  key: number
  blob: Blob // the very bytes that the service sent, infotext included
  url: string // of the blob
  infotext: string // empty for a map, which shows what a unit has read
  notes: string[] // what the service says of the request, such as a LoRA that is missing
  seed: number
  prompt: string
  kind: Format
  width: number // pixels
  height: number
  plot?: number // of a script that compares: the same number for all pictures of one answer
  isSheet?: boolean // all cells of a plot on one picture
}

export type Failure = {
  status: number
  message: string
  fields: Record<string, string>
  refusals?: readonly Refusal[]
}
export type Generation = ReturnType<typeof useGeneration>

export function useGeneration(kind: GenerationKind) {
  const storageKey = `easel.task.${kind}`
  const jobs = shallowRef<DrawingJob[]>([]) // of this window, in the order in which they were asked for
  const shown = computed(() => shownJob(jobs.value))
  const running = computed(() => jobs.value.length > 0)
  const stopping = computed(() => shown.value?.stopping ?? false)
  const progress = computed(() => shown.value ?? newJob(NOTHING))
  const size = computed(() => ({ width: progress.value.width, height: progress.value.height }))
  /** The batch in work: `drawn` has the addresses of its pictures, by number, as far as they are drawn. */
  const sheet = computed(() => progress.value)
  const lost = ref(false) // a task of before the reload ended, and its pictures are not to be had
  const failure = ref<Failure | null>(null)
  const pictures = shallowRef<Picture[]>([]) // the latest first
  const chosen = ref(0) // index into pictures
  const picture = computed<Picture | null>(() => pictures.value[chosen.value] ?? null)
  let pictureCount = 0
  let plotCount = 0
  let sending: Promise<unknown> = Promise.resolve() // jobs are queued in the order of the presses

  /** Queue a request of the route `path` and add its pictures. True unless it fails or is stopped. */
  async function generate(path: string, request: api.GenerationRequest, part = ''): Promise<boolean> {
    const { force_task_id: task, prompt, width, height, batch_size: batch, script_name: script } = request
    const count = script === undefined ? request.n_iter * batch : 1 // a script's are not told one by one
    const job = begin({ task, job: '', prompt, width, height, count, batch }, part)
    try {
      const queued = sending.then(() => send(job, path, request))
      sending = queued.catch(() => undefined)
      if (!(await queued)) return false // stopped before the service heard of it
      await addPictures(await awaitAnswer(job, listenerOf(job)), prompt, script !== undefined, isPlot(script))
      end(job)
      return !job.stopping
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      if (error.status !== 401) failure.value = error
      end(job, error.status === 401 && job.job !== '') // it is fetched after the login
      return false
    }
  }

  async function send(job: DrawingJob, path: string, request: api.GenerationRequest): Promise<boolean> {
    if (job.stopping) {
      end(job)
      return false
    }
    job.job = await submit(path, request, () => job.stopping)
    remember()
    return true
  }

  function begin(task: StoredTask, part = ''): DrawingJob {
    const job = reactive({ ...newJob(task), part })
    failure.value = null
    lost.value = false
    jobs.value = [...jobs.value, job]
    remember()
    return job
  }

  function end(job: DrawingJob, kept = false) {
    jobs.value = jobs.value.filter((each) => each !== job)
    if (!kept) remember()
  }

  function remember() {
    if (jobs.value.length === 0) sessionStorage.removeItem(storageKey)
    else sessionStorage.setItem(storageKey, JSON.stringify(jobs.value.map(toStored)))
  }

  function listenerOf(job: DrawingJob): TaskListener {
    return {
      isStopping: () => job.stopping,
      isNear: () => jobs.value.indexOf(job) < NEAR,
      onProgress: (state) => readProgress(job, state),
      onPicture: (number, url) => (job.drawn[number] = url),
    }
  }

  /** After a reload: follow the stored tasks and fetch their results. */
  async function resume() {
    const stored = sessionStorage.getItem(storageKey)
    if (stored === null || running.value) return
    await Promise.all(readStored(stored).map((task) => resumeOne(begin(task))))
  }

  async function resumeOne(job: DrawingJob) {
    try {
      await addPictures(await awaitAnswer(job, listenerOf(job)), job.prompt, true)
      end(job)
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      end(job, error.status === 401) // it is fetched after the login
      if (error.status !== 401) lost.value = !job.stopping
    }
  }

  /** Grids come first in an answer: a script's are kept, a plain batch's is dropped. */
  async function addPictures(
    response: api.GenerationResponse,
    prompt: string,
    withGrids: boolean,
    plotted = false,
  ) {
    const info = JSON.parse(response.info) as api.GenerationInfo
    const first = info.index_of_first_image
    const plot = plotted ? { plot: ++plotCount } : {}
    const received = await Promise.all(
      response.images.map(async (image, at) => ({
        key: ++pictureCount,
        ...(await toPicture(image, at, prompt, info)),
        ...plot,
        isSheet: at < first,
      })),
    )
    const newPictures = withGrids ? received : received.slice(first)
    if (newPictures.length === 0) return // stopped while it waited
    const all = [...newPictures, ...pictures.value]
    all.slice(MAX_PICTURES).forEach(({ url }) => URL.revokeObjectURL(url))
    pictures.value = all.slice(0, MAX_PICTURES)
    chosen.value = 0
  }

  /** Stop one job, by its own task; a waiting one leaves the queue at once. */
  async function stop(job: DrawingJob) {
    if (job.stopping) return
    job.stopping = true
    await api.interrupt(job.task).catch(() => (job.stopping = !job.job)) // one not queued yet is stopped here
  }

  async function interrupt() {
    if (shown.value) await stop(shown.value)
  }

  async function skip() {
    if (shown.value) await api.skip(shown.value.task).catch(() => undefined)
  }

  /** Select the picture `by` places further, clamped to the list. */
  function move(by: number) {
    chosen.value = Math.min(Math.max(chosen.value + by, 0), Math.max(pictures.value.length - 1, 0))
  }

  return {
    jobs,
    running,
    stopping,
    lost,
    progress,
    size,
    sheet,
    failure,
    pictures,
    chosen,
    picture,
    generate,
    resume,
    stop,
    interrupt,
    skip,
    move,
  }
}

/** A task id in AUTOMATIC1111's form. */
export function newTask(kind: GenerationKind): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
  const response = crypto.getRandomValues(new Uint8Array(7))
  return `task(${kind}-${[...response].map((byte) => letters[byte % letters.length]).join('')})`
}

/** The format by the first base64 letter: PNG starts with 0x89, JPEG with 0xFF, WebP with "RIFF". */
function formatOf(base64: string): Format {
  return base64.startsWith('/') ? 'jpeg' : base64.startsWith('U') ? 'webp' : 'png'
}

/** The picture at index `at` of an answer, with its infotext, seed and size. */
async function toPicture(
  image: string,
  at: number,
  prompt: string,
  { infotexts, all_seeds, index_of_first_image: first, comments }: api.GenerationInfo,
): Promise<Omit<Picture, 'key'>> {
  const kind = formatOf(image)
  const blob = toBlob(image, `image/${kind}`)
  const infotext = infotexts[at] ?? ''
  const seed = Number(/\bSeed: (\d+)/.exec(infotext)?.[1] ?? all_seeds[at - first] ?? -1)
  const words = infotext ? parseInfotext(infotext).prompt : prompt // a script draws several
  const size = await measurePicture(blob)
  const url = URL.createObjectURL(blob)
  return { blob, url, kind, infotext, notes: comments ?? [], seed, prompt: words, ...size }
}
