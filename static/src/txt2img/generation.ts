/** One running request: its progress, and the pictures that came of this visit's requests. */
import { computed, reactive, ref, shallowRef } from 'vue'

import { ApiError } from '../api/client'
import * as api from '../api/sdapi'

const POLL_MS = 300
const KEPT = 200 // pictures; older ones are on the server's disk

type Kind = 'png' | 'jpeg' | 'webp'

export interface Picture {
  key: number
  url: string // of a blob: the very bytes that the service sent, infotext included
  infotext: string
  seed: number
  prompt: string
  kind: Kind
  ratio: number // width / height
}

export type Failure = { status: number; message: string; fields: Record<string, string> }
export type Generation = ReturnType<typeof useGeneration>

export function useGeneration() {
  const running = ref(false)
  const stopping = ref(false)
  const progress = reactive({ share: 0, eta: null as number | null, queue: '', note: '', preview: '' })
  const size = reactive({ width: 1, height: 1 }) // pixels of what is in work
  const failure = ref<Failure | null>(null)
  const pictures = shallowRef<Picture[]>([]) // the latest first
  const chosen = ref(0) // index into pictures
  const picture = computed<Picture | null>(() => pictures.value[chosen.value] ?? null)
  let made = 0

  async function generate(request: api.Txt2Img) {
    if (running.value) return
    Object.assign(progress, { share: 0, eta: null, queue: '', note: '', preview: '' })
    Object.assign(size, { width: request.width, height: request.height })
    failure.value = null
    stopping.value = false
    running.value = true
    void follow(request.force_task_id)
    try {
      keep(await api.draw(request), request.prompt)
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      if (error.status !== 401) failure.value = error
    } finally {
      running.value = false
    }
  }

  /** Ask how far the task is until its request has been answered. */
  async function follow(task: string) {
    let seen = -1
    while (running.value) {
      try {
        const told = await api.progress(task, seen)
        if (!running.value) return
        progress.share = told.progress ?? progress.share
        progress.eta = told.eta
        progress.queue = told.queued ? (told.textinfo?.replace(/^\D+/, '') ?? '') : ''
        progress.note = told.active ? (told.textinfo ?? '') : ''
        if (told.live_preview) progress.preview = told.live_preview
        seen = told.id_live_preview
      } catch (error) {
        if (!(error instanceof ApiError)) throw error // the request itself tells what is wrong
      }
      await new Promise((go) => setTimeout(go, POLL_MS))
    }
  }

  function keep(drawn: api.Drawn, prompt: string) {
    const info = JSON.parse(drawn.info) as api.DrawnInfo
    const first = info.index_of_first_image // a grid may come before the pictures
    const fresh = drawn.images.slice(first).map((image, at) => ({
      key: ++made,
      url: blobUrl(image),
      kind: kindOf(image),
      infotext: info.infotexts[first + at] ?? '',
      seed: info.all_seeds[at] ?? -1,
      prompt,
      ratio: size.width / size.height,
    }))
    const all = [...fresh, ...pictures.value]
    all.slice(KEPT).forEach(({ url }) => URL.revokeObjectURL(url))
    pictures.value = all.slice(0, KEPT)
    chosen.value = 0
  }

  async function interrupt() {
    if (!running.value) return
    stopping.value = true
    await api.interrupt().catch(() => (stopping.value = false))
  }

  /** Show the picture `by` places further, stopping at both ends. */
  function move(by: number) {
    chosen.value = Math.min(Math.max(chosen.value + by, 0), Math.max(pictures.value.length - 1, 0))
  }

  return { running, stopping, progress, size, failure, pictures, chosen, picture, generate, interrupt, move }
}

/** A task id in AUTOMATIC1111's form. */
export function newTask(): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
  const drawn = crypto.getRandomValues(new Uint8Array(7))
  return `task(txt2img-${[...drawn].map((byte) => letters[byte % letters.length]).join('')})`
}

/** By the first letter of the base64: PNG starts with 0x89, JPEG with 0xFF, WebP with "RIFF". */
function kindOf(base64: string): Kind {
  return base64.startsWith('/') ? 'jpeg' : base64.startsWith('U') ? 'webp' : 'png'
}

function blobUrl(base64: string): string {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))
  return URL.createObjectURL(new Blob([bytes], { type: `image/${kindOf(base64)}` }))
}
