/** The running request with its progress, and the pictures of this session. */
import { computed, reactive, ref, shallowRef } from 'vue'

import { ApiError, type Refusal } from '../api/client'
import * as api from '../api/sdapi'
import { toBlob, measurePicture } from '../pictures'
import type { GenerationKind } from './useFields'
import { parseInfotext } from './infotext'
import { awaitAnswer, submit, type Task, type TaskListener } from './task'

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
}

export type Failure = {
  status: number
  message: string
  fields: Record<string, string>
  refusals?: readonly Refusal[]
}
export type Generation = ReturnType<typeof useGeneration>

/** A running task as stored in sessionStorage, to resume it after a reload. */
interface StoredTask extends Task {
  prompt: string
  width: number
  height: number
  count: number // of pictures asked for
  batch: number // of them, drawn at the same time
}

export function useGeneration(kind: GenerationKind) {
  const storageKey = `easel.task.${kind}`
  const running = ref(false)
  const stopping = ref(false)
  const lost = ref(false) // a task of before the reload ended, and its pictures are not to be had
  const progress = reactive({
    share: 0,
    eta: null as number | null,
    queue: '',
    note: '',
    preview: '',
    part: '',
  })
  const size = reactive({ width: 1, height: 1 }) // pixels of what is in work
  /** The batch in work: `drawn` has the addresses of its pictures, by number, as far as they are drawn. */
  const sheet = reactive({ count: 1, batch: 1, drawn: [] as string[] })
  const failure = ref<Failure | null>(null)
  const pictures = shallowRef<Picture[]>([]) // the latest first
  const chosen = ref(0) // index into pictures
  const picture = computed<Picture | null>(() => pictures.value[chosen.value] ?? null)
  let pictureCount = 0
  let current: StoredTask | null = null // the task in work
  const listener: TaskListener = {
    isStopping: () => stopping.value,
    onProgress: show,
    onPicture: (number, url) => (sheet.drawn[number] = url),
  }

  /** Queue a request of the route `path` and add its pictures. True on success; `part`: "2 / 5" of a series. */
  async function generate(path: string, request: api.GenerationRequest, part = ''): Promise<boolean> {
    if (running.value) return false
    const { force_task_id: task, prompt, width, height, batch_size: batch, script_name: script } = request
    const count = script === undefined ? request.n_iter * batch : 1 // a script's are not told one by one
    const work = { task, job: '', prompt, width, height, count, batch }
    begin(work, part)
    try {
      work.job = await submit(path, request, listener.isStopping)
      remember(work)
      await addPictures(await awaitAnswer(work, listener), prompt, script !== undefined)
      forget()
      return true
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      if (error.status !== 401) failure.value = error
      if (error.status !== 401 || !work.job) forget() // else it is fetched after the login
      return false
    } finally {
      running.value = false
    }
  }

  function begin(work: StoredTask, part: string) {
    Object.assign(progress, { share: 0, eta: null, queue: '', note: '', preview: '', part })
    Object.assign(size, { width: work.width, height: work.height })
    Object.assign(sheet, { count: work.count, batch: work.batch, drawn: [] })
    failure.value = null
    lost.value = false
    stopping.value = false
    running.value = true
    current = work
    remember(work)
  }

  function remember(work: StoredTask) {
    sessionStorage.setItem(storageKey, JSON.stringify(work))
  }

  function forget() {
    sessionStorage.removeItem(storageKey)
  }

  function show(state: api.TaskProgress) {
    progress.share = state.progress ?? progress.share
    progress.eta = state.eta
    progress.queue = state.queued ? (state.textinfo?.replace(/^\D+/, '') ?? '') : ''
    progress.note = state.active ? (state.textinfo ?? '') : ''
    if (state.live_preview) progress.preview = state.live_preview
  }

  /** After a reload: follow the stored task and fetch its result. */
  async function resume() {
    const stored = sessionStorage.getItem(storageKey)
    if (stored === null || running.value) return
    const work = { job: '', count: 1, batch: 1, ...(JSON.parse(stored) as Partial<StoredTask>) } as StoredTask
    begin(work, '')
    try {
      await addPictures(await awaitAnswer(work, listener), work.prompt, true)
      forget()
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      if (error.status === 401) return // it is fetched after the login
      forget()
      lost.value = true
    } finally {
      running.value = false
    }
  }

  /** Grids come first in an answer: a script's are kept, a plain batch's is dropped. */
  async function addPictures(response: api.GenerationResponse, prompt: string, withGrids: boolean) {
    const info = JSON.parse(response.info) as api.GenerationInfo
    const first = info.index_of_first_image
    const received = await Promise.all(
      response.images.map(async (image, at) => ({
        key: ++pictureCount,
        ...(await toPicture(image, at, prompt, info)),
      })),
    )
    const newPictures = withGrids ? received : received.slice(first)
    const all = [...newPictures, ...pictures.value]
    all.slice(MAX_PICTURES).forEach(({ url }) => URL.revokeObjectURL(url))
    pictures.value = all.slice(0, MAX_PICTURES)
    chosen.value = 0
  }

  async function interrupt() {
    if (!running.value) return
    stopping.value = true
    const { task, job } = current!
    await api.interrupt(task).catch(() => (stopping.value = !job)) // one not queued yet is stopped here
  }

  async function skip() {
    if (running.value) await api.skip(current!.task).catch(() => undefined)
  }

  /** Select the picture `by` places further, clamped to the list. */
  function move(by: number) {
    chosen.value = Math.min(Math.max(chosen.value + by, 0), Math.max(pictures.value.length - 1, 0))
  }

  return {
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
