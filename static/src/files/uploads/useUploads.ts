/** Resumable uploads by Uppy over tus, with a checksum for each chunk. */
import Uppy, { type UppyFile } from '@uppy/core'
import Tus, { type TusDetailedError } from '@uppy/tus'
import { useIntervalFn, useStorage } from '@vueuse/core'
import { computed, onScopeDispose, ref, shallowRef } from 'vue'

import { address } from '../../api/client'
import * as api from '../api'
import { joinPath, parentOf, nameOf } from '../paths'
import { ChecksumHttpStack, createDigester } from './checksums'
import type { PickedFile } from './droppedFiles'
import { useUploadSpeed } from './useUploadSpeed'

const MAX_PARALLEL = 3 // files; a browser opens six connections to a host, and the page needs some
const MIB = 1 << 20
// Long enough for a restart of the server or a short loss of the network.
const RETRIES = [500, 1000, 2000, 4000, 8000, 15_000, 30_000, 30_000, 60_000, 60_000, 60_000, 120_000]

export type UploadState = 'waiting' | 'sending' | 'paused' | 'done' | 'skipped' | 'failed' | 'taken'

export interface UploadRow {
  id: string
  path: string // where it is to lie
  size: number // bytes
  sent: number // bytes
  state: UploadState
  fault: string
}

// Errors are shown beside their file, not in the console.
const SILENT = { debug: () => undefined, warn: () => undefined, error: () => undefined }

const ONGOING: readonly UploadState[] = ['waiting', 'sending', 'paused']

type Fields = { filename: string; folder: string; conflict?: api.Conflict; modified: string }
type Body = { xhr: XMLHttpRequest }
type File = UppyFile<Fields, Body>

export type Uploads = ReturnType<typeof useUploads>

interface Hooks {
  describeFailure: (status: number, body: unknown) => string
  onDone: (path: string) => void
  onTaken: () => void // a name is taken: the reader is to be asked
}

export function useUploads({ describeFailure, onDone, onTaken }: Hooks) {
  const rows = shallowRef<UploadRow[]>([])
  const unfinished = shallowRef<api.UnfinishedUpload[]>([])
  const lastSpeed = useStorage('easel.uploads.speed', 0) // bytes a second
  const speed = ref(0)
  const { add: addBytes, speed: currentSpeed } = useUploadSpeed()
  const digest = createDigester()

  const uppy = new Uppy<Fields, Body>({ id: 'files', autoProceed: false, logger: SILENT })
  uppy.use(Tus<Fields, Body>, {
    endpoint: address(api.UPLOADS),
    limit: MAX_PARALLEL,
    retryDelays: RETRIES,
    storeFingerprintForResuming: false, // the server's own list knows better, also elsewhere
    onShouldRetry: (error, _attempt, _options, next) => shouldRetry(error, next),
  })

  uppy.on('upload-progress', (file, progress) => {
    if (!file) return
    const previous = rowOf(file.id)
    const sent = progress.bytesUploaded || 0
    // The first progress event of a resumed upload counts bytes sent earlier.
    if (previous && previous.sent > 0 && sent > previous.sent) addBytes(sent - previous.sent)
    change(file.id, { sent, state: previous?.state === 'paused' ? 'paused' : 'sending' })
  })
  uppy.on('upload-success', (file, answer) => {
    if (!file) return
    const row = rowOf(file.id)
    const uploadPath = answer.body?.xhr.getResponseHeader('Upload-Path') // it may have got another name
    const path = uploadPath ? decodeURIComponent(uploadPath) : row?.path
    change(file.id, { sent: file.size ?? 0, state: 'done', ...(path ? { path } : {}) })
    // After Uppy has finished: removing a file earlier would cancel it on the server.
    queueMicrotask(() => uppy.removeFile(file.id))
    if (path) onDone(path)
    void loadUnfinished()
  })
  uppy.on('upload-error', (file, _error, answer) => {
    if (!file) return
    const xhr = answer?.body?.xhr
    const status = xhr?.status ?? 0
    if (status === 409 && !file.tus?.uploadUrl) {
      change(file.id, { state: 'taken' })
      return onTaken()
    }
    change(file.id, { state: 'failed', fault: describeFailure(status, parseBody(xhr)) })
  })
  onScopeDispose(() => uppy.destroy())

  const busy = computed(() => rows.value.some(({ state }) => state === 'sending' || state === 'waiting'))
  const total = computed(() => sum(rows.value, ({ size }) => size))
  const sent = computed(() => sum(rows.value, ({ sent }) => sent))
  /** Remaining seconds; null if unknown. */
  const left = computed(() => {
    const activeRows = rows.value.filter(({ state }) => state === 'sending' || state === 'waiting')
    const bytes = sum(activeRows, ({ size, sent }) => size - sent)
    return speed.value > 0 && bytes > 0 ? bytes / speed.value : null
  })
  useIntervalFn(() => {
    speed.value = currentSpeed()
    if (speed.value > 0) lastSpeed.value = Math.round(speed.value)
  }, 1000)

  /** Upload files to a folder; unfinished uploads of the same files are resumed. */
  async function add(files: (PickedFile & { to?: string })[], folder: string) {
    await loadUnfinished()
    const newRows = files.map((one) =>
      begin(one, one.to ?? (one.inner ? joinPath(folder, one.inner) : folder)),
    )
    rows.value = [...rows.value.filter(({ id }) => !newRows.some((row) => row.id === id)), ...newRows]
    start()
  }

  /** Resume an unfinished upload. False if `file` is not the one that it began with. */
  async function resume(wanted: api.UnfinishedUpload, file: globalThis.File): Promise<boolean> {
    if (!isSame(wanted, file)) return false
    const folder = parentOf(wanted.path)
    const row = begin({ file, inner: '' }, folder, nameOf(wanted.path), wanted)
    rows.value = [...rows.value.filter(({ id }) => id !== row.id), row]
    start()
    return true
  }

  function begin(
    { file }: PickedFile,
    folder: string,
    name = file.name,
    known?: api.UnfinishedUpload,
  ): UploadRow {
    const path = joinPath(folder, name)
    const previous = known ?? unfinished.value.find((one) => one.path === path && isSame(one, file))
    const meta = { filename: name, folder, modified: formatModified(file), relativePath: path }
    const old = rows.value.find((row) => row.path === path && uppy.getFile(row.id))
    if (old && ONGOING.includes(old.state) && isSame({ ...old, modified: null }, file)) return old
    if (old) uppy.removeFile(old.id)
    const id = uppy.addFile({ name, type: file.type, data: file, source: 'easel', meta })
    configure(id, previous ? { uploadUrl: address(previous.url) } : {})
    if (previous) unfinished.value = unfinished.value.filter((one) => one !== previous)
    return { id, path, size: file.size, sent: previous?.offset ?? 0, state: 'waiting', fault: '' }
  }

  function configure(id: string, more: { uploadUrl?: string; conflict?: api.Conflict }) {
    const { data, meta } = uppy.getFile(id)
    const { conflict } = more
    const fields = ['filename', 'folder', 'modified', ...(conflict ? ['conflict'] : [])]
    uppy.setFileState(id, {
      tus: {
        chunkSize: pieceSize(lastSpeed.value),
        httpStack: new ChecksumHttpStack(data as Blob, digest),
        allowedMetaFields: fields,
        ...(more.uploadUrl ? { uploadUrl: more.uploadUrl } : {}),
      },
      meta: { ...meta, ...(conflict ? { conflict } : {}) },
    } as Partial<File>)
  }

  function start() {
    uppy.upload().catch((error: unknown) => uppy.log(String(error))) // each file tells its own fault
  }

  /** Resolve a name conflict. */
  function resolve(id: string, conflict: api.Conflict) {
    if (conflict === 'skip') {
      uppy.removeFile(id)
      return change(id, { state: 'skipped' })
    }
    configure(id, { conflict })
    retry(id)
  }

  function retry(id: string) {
    change(id, { state: 'waiting', fault: '' })
    uppy.retryUpload(id).catch((error: unknown) => uppy.log(String(error)))
  }

  function pause(id: string) {
    const row = rowOf(id)
    if (!row || !uppy.getFile(id)) return
    const paused = uppy.pauseResume(id)
    if (paused !== undefined) change(id, { state: paused ? 'paused' : 'waiting' })
  }

  function pauseAll(on: boolean) {
    for (const { id, state } of rows.value) {
      if (on ? state === 'sending' || state === 'waiting' : state === 'paused') pause(id)
    }
  }

  /** Cancel an upload, also on the server. */
  function cancel(id: string) {
    if (uppy.getFile(id)) uppy.removeFile(id)
    rows.value = rows.value.filter((row) => row.id !== id)
  }

  async function discard(one: api.UnfinishedUpload) {
    await api.cancelUpload(one.url)
    unfinished.value = unfinished.value.filter((other) => other !== one)
  }

  /** Fetch unfinished uploads, except those that this page is sending. */
  async function loadUnfinished() {
    const mine = new Set(uppy.getFiles().map(({ tus }) => tus?.uploadUrl))
    const { uploads } = await api.listUnfinished()
    unfinished.value = uploads.filter(({ url }) => !mine.has(address(url)))
  }

  /** Remove finished rows. */
  function removeFinished() {
    rows.value = rows.value.filter(({ state }) => state !== 'done' && state !== 'skipped')
  }

  function rowOf(id: string): UploadRow | undefined {
    return rows.value.find((row) => row.id === id)
  }

  function change(id: string, news: Partial<UploadRow>) {
    rows.value = rows.value.map((row) => (row.id === id ? { ...row, ...news } : row))
  }

  return {
    rows,
    unfinished,
    busy,
    total,
    sent,
    speed,
    left,
    add,
    resume,
    resolve,
    retry,
    pause,
    pauseAll,
    cancel,
    discard,
    loadUnfinished,
    removeFinished,
  }
}

/** Chunk size for a speed in bytes a second: some seconds' worth. */
export function pieceSize(speed: number): number {
  if (speed > 30 * MIB) return 32 * MIB
  return speed > 6 * MIB ? 16 * MIB : 4 * MIB
}

const LATEST = 2 ** 32 * 1000 // from here on, and before 1970, the service takes no times

/** A file's modification time in ISO format; "" outside the range that the service accepts. */
export function formatModified({ lastModified }: { lastModified: number }): string {
  return lastModified >= 0 && lastModified < LATEST ? new Date(lastModified).toISOString() : ''
}

/** Whether a file has the name, size and time of an unfinished upload. */
export function isSame(
  one: Pick<api.UnfinishedUpload, 'path' | 'size' | 'modified'>,
  file: { name: string; size: number; lastModified: number },
): boolean {
  const sameTime = one.modified === null || one.modified === file.lastModified
  return nameOf(one.path) === file.name && one.size === file.size && sameTime
}

const MISMATCH = 460 // a piece that arrived otherwise than it left
const NO_ROOM = 507 // somebody has to make room first: the reader is told at once

export function shouldRetry(error: TusDetailedError, next: (error: TusDetailedError) => boolean): boolean {
  const status = error.originalResponse?.getStatus()
  if (status === MISMATCH) return true
  if (status === NO_ROOM) return false
  // 409 means a name conflict for a new upload, and a wrong offset for a chunk.
  if (status === 409 && error.originalRequest.getMethod() === 'POST') return false
  return next(error)
}

function parseBody(xhr: XMLHttpRequest | undefined): unknown {
  try {
    return JSON.parse(xhr?.responseText ?? 'null')
  } catch {
    return null
  }
}

function sum<T>(list: T[], of: (one: T) => number): number {
  return list.reduce((all, one) => all + of(one), 0)
}
