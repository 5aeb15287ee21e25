/** The running request with its progress, and the pictures of this session. */
import { computed, reactive, ref, shallowRef } from 'vue'

import { ApiError, probeConnection } from '../api/client'
import * as api from '../api/sdapi'
import { toBlob, measurePicture } from '../pictures'
import type { GenerationKind } from './useFields'
import { parseInfotext } from './infotext'

const POLL_MS = 300
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

export type Failure = { status: number; message: string; fields: Record<string, string> }
export type Generation = ReturnType<typeof useGeneration>

/** A running task as stored in sessionStorage, to resume it after a reload. */
interface StoredTask {
  task: string
  prompt: string
  width: number
  height: number
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
  const failure = ref<Failure | null>(null)
  const pictures = shallowRef<Picture[]>([]) // the latest first
  const chosen = ref(0) // index into pictures
  const picture = computed<Picture | null>(() => pictures.value[chosen.value] ?? null)
  let pictureCount = 0
  let current = '' // the task in work

  /** Send a request, poll its progress and add its pictures. True on success; `part`: "2 / 5" of a series. */
  async function generate<R extends api.GenerationRequest>(
    request: R,
    ask: (request: R) => Promise<api.GenerationResponse>,
    part = '',
  ): Promise<boolean> {
    if (running.value) return false
    const { force_task_id: task, prompt, width, height } = request
    begin({ task, prompt, width, height }, part)
    try {
      const response = await ask(request).catch((error: unknown) => answerLater(error, task))
      await addPictures(response, prompt, request.script_name !== undefined)
      return true
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      if (error.status !== 401) failure.value = error
      return false
    } finally {
      end()
    }
  }

  /** The answer of a task whose request was cut off, once the service is back and has it. */
  async function answerLater(error: unknown, task: string): Promise<api.GenerationResponse> {
    if (!(error instanceof ApiError) || error.status !== 0) throw error
    await waitUntilDone(task)
    return api.answer(task)
  }

  function begin(work: StoredTask, part: string) {
    Object.assign(progress, { share: 0, eta: null, queue: '', note: '', preview: '', part })
    Object.assign(size, { width: work.width, height: work.height })
    failure.value = null
    lost.value = false
    stopping.value = false
    running.value = true
    current = work.task
    sessionStorage.setItem(storageKey, JSON.stringify(work))
    void follow(work.task)
  }

  function end() {
    running.value = false
    sessionStorage.removeItem(storageKey)
  }

  /** Poll a task's progress until its request is answered. */
  async function follow(task: string) {
    let lastPreview = -1
    while (running.value) {
      try {
        const state = await api.progress(task, lastPreview)
        if (!running.value) return
        show(state)
        // The interrupt may have arrived before the request was queued: repeat it.
        if (stopping.value && !state.active) await api.interrupt(task)
        lastPreview = state.id_live_preview
      } catch (error) {
        if (!(error instanceof ApiError)) throw error // the request itself tells what is wrong
        if (error.status === 0) probeConnection()
      }
      await new Promise((go) => setTimeout(go, POLL_MS))
    }
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
    const work = JSON.parse(stored) as StoredTask
    begin(work, '')
    try {
      await waitUntilDone(work.task)
      await addPictures(await api.answer(work.task), work.prompt, true)
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      if (error.status !== 401) lost.value = true
    } finally {
      end()
    }
  }

  async function waitUntilDone(task: string) {
    for (;;) {
      const state = await api.progress(task, -1).catch((error: unknown) => {
        if (error instanceof ApiError && error.status === 0) return null // it may come back
        throw error
      })
      if (state && !state.active && !state.queued) return
      await new Promise((go) => setTimeout(go, 2 * POLL_MS))
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
    await api.interrupt(current).catch(() => (stopping.value = false))
  }

  async function skip() {
    if (running.value) await api.skip(current).catch(() => undefined)
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
