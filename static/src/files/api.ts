/** Routes of files, and the types of their requests and answers. */
import type { RequestOf } from '../api/contract'
import { address, get, post, fetchOk, remove } from '../api/client'

export type EntryKind =
  | 'folder'
  | 'image'
  | 'video'
  | 'audio'
  | 'text'
  | 'markdown'
  | 'pdf'
  | 'model'
  | 'archive'
  | 'file'
  | 'link' // it is listed and never followed
  | 'special' // a pipe, a device, a name that cannot be asked for

export interface Entry {
  name: string
  kind: EntryKind
  size: number | null // bytes; null for what is no ordinary file
  modified: number // seconds since 1970
}

export interface FolderPage {
  path: string
  total: number
  entries: Entry[]
}

export type Right = 'view' | 'create' | 'modify' | 'delete' | 'share' | 'download'

export interface Root {
  name: string
  path: string
  writable: boolean
  sealed: string[] // paths below which nothing is changed
  free: number | null // bytes of its disk
  size: number | null
}

export interface ListOptions {
  sort: 'name' | 'size' | 'modified' | 'kind'
  descending: boolean
  hidden: boolean
  offset: number
  limit: number
}

export type Conflict = 'skip' | 'overwrite' | 'rename'

/** A file of an archive that was not extracted. */
export interface LeftOut {
  name: string
  reason: 'name' | 'link' | 'locked' | 'packing' | 'damaged' | 'twice' | 'too_large' | 'kind'
}

export interface Result {
  path: string
  to: string | null
  status: 'done' | 'skipped' | 'failed'
  error?: string
  left_out?: LeftOut[] // the first of them
  left_out_count?: number
}

/** The result of an operation; `job`: id of the job that goes on with it. */
export interface OperationResult {
  results: Result[]
  job: string | null
}

export interface Job {
  id: string
  verb: 'move' | 'copy' | 'delete' | 'restore' | 'extract'
  state: 'waiting' | 'running' | 'done' | 'failed' | 'cancelled'
  done: number // bytes
  total: number // bytes
  steps: number
  results: Result[]
  error: string
}

export interface TrashedEntry {
  trash_id: string
  deleted: number // seconds since 1970
  items: { path: string; kind: EntryKind }[]
}

export interface Share {
  id: string
  url: string
  path: string
  kind: 'file' | 'folder'
  made: number // seconds since 1970
  expires: number | null
  password: boolean
}

export interface SearchResult {
  total: number
  complete: boolean // false while the service is still reading what there is
  entries: (Entry & { path: string })[]
}

/** The header of a safetensors file. */
export interface WeightsHeader {
  model: string
  architecture: string
  count: number // tensors
  parameters: number
  dtypes: string[]
  words: { word: string; count: number }[] // 0: not counted
  metadata: Record<string, string>
  matching: number // tensors whose names hold what is asked for
  tensors: { name: string; dtype: string; shape: number[] }[]
}

/** A file's content for the preview; `problem` says why there is none. */
export interface PreviewInfo {
  picture?: { width: number; height: number; infotext: string }
  weights?: WeightsHeader
  problem?: string
}

export interface FolderSize {
  size: number // bytes
  files: number
  folders: number
}

/** An unfinished upload. */
export interface UnfinishedUpload {
  url: string
  path: string
  size: number // bytes
  offset: number // bytes that are there
  modified: number | null // milliseconds since 1970, as the browser told of the file
}

const FILES = 'api/files'
export const UPLOADS = `${FILES}/uploads`

/** A query string, without undefined parameters. */
export function query(parameters: Record<string, string | number | undefined>): string {
  const defined = Object.entries(parameters).filter(([, value]) => value !== undefined)
  return new URLSearchParams(defined.map(([key, value]) => [key, String(value)])).toString()
}

export const roots = () => get<{ roots: Root[]; rights: Right[] }>(`${FILES}/roots`)
export const list = (path: string, { sort, descending, hidden, offset, limit }: Partial<ListOptions>) =>
  get<FolderPage>(
    `${FILES}?${query({ path, sort: sort && `${descending ? '-' : ''}${sort}`, hidden: hidden ? 1 : 0, offset, limit })}`,
  )

export const makeFolder = (path: string) =>
  post<Entry>(`${FILES}/folder`, { path } satisfies RequestOf<'/api/files/folder'>)
export const rename = (path: string, name: string) =>
  post<OperationResult>(`${FILES}/rename`, { path, name } satisfies RequestOf<'/api/files/rename'>)
export const move = (paths: string[], to: string, conflict?: Conflict) =>
  post<OperationResult>(`${FILES}/move`, { paths, to, conflict } satisfies RequestOf<'/api/files/move'>)
export const copy = (paths: string[], to: string, conflict?: Conflict) =>
  post<OperationResult>(`${FILES}/copy`, { paths, to, conflict } satisfies RequestOf<'/api/files/copy'>)
export const deletePaths = (paths: string[]) =>
  post<OperationResult & { trash_id: string }>(`${FILES}/delete`, {
    paths,
  } satisfies RequestOf<'/api/files/delete'>)
export const restore = (trash_id: string, conflict?: Conflict) =>
  post<OperationResult>(`${FILES}/restore`, { trash_id, conflict } satisfies RequestOf<'/api/files/restore'>)
export const trash = () => get<{ thrown: TrashedEntry[] }>(`${FILES}/trash`)
export const purge = (trash_id?: string) => remove(`${FILES}/trash?${query({ trash_id })}`)

/** URL of a file's bytes for display; `version` avoids a stale cache. */
export const contentUrl = (path: string, version?: number) =>
  address(`${FILES}/content?${query({ path, inline: 1, v: version })}`)
export const downloadUrl = (path: string) => address(`${FILES}/content?${query({ path })}`)
export const fetchContent = (path: string, init?: RequestInit) =>
  fetchOk(`${FILES}/content?${query({ path })}`, init)
export const archiveUrl = (paths: string[]) =>
  address(`${FILES}/archive?${new URLSearchParams(paths.map((path) => ['path', path]))}`)

export const jobs = () => get<{ jobs: Job[] }>(`${FILES}/jobs`)
export const job = (id: string) => get<Job>(`${FILES}/jobs/${encodeURIComponent(id)}`)
export const cancelJob = (id: string) => remove(`${FILES}/jobs/${encodeURIComponent(id)}`)

const TUS = { 'Tus-Resumable': '1.0.0' }
export const listUnfinished = () => get<{ uploads: UnfinishedUpload[] }>(UPLOADS)
export const cancelUpload = (url: string) => fetchOk(url, { method: 'DELETE', headers: TUS })

export const search = (q: string, path: string, offset: number, limit: number) =>
  get<SearchResult>(`${FILES}/search?${query({ q, path, offset, limit })}`)
export const thumbnailUrl = ({ path, modified }: { path: string; modified: number }, size: number) =>
  address(`${FILES}/thumbnail?${query({ path, size, v: modified })}`)

export const fetchPreview = (path: string, tensor?: string, limit?: number) =>
  get<PreviewInfo>(`${FILES}/preview?${query({ path, tensor, limit })}`)
export const measureFolder = (path: string) => get<FolderSize>(`${FILES}/size?${query({ path })}`)
export const extract = (path: string, conflict?: Conflict) =>
  post<OperationResult>(`${FILES}/extract`, { path, conflict } satisfies RequestOf<'/api/files/extract'>)
export const suggestFolderFor = async (header: Blob) =>
  (await (await fetchOk(`${UPLOADS}/suggest`, { method: 'POST', body: header })).json()) as {
    folder: string | null
  }

export const shares = () => get<{ shares: Share[] }>(`${FILES}/shares`)
export const createShare = (path: string, password?: string, expires_in?: number) =>
  post<Share>(`${FILES}/shares`, { path, password, expires_in } satisfies RequestOf<'/api/files/shares'>)
export const revokeShare = (id: string) => remove(`${FILES}/shares/${encodeURIComponent(id)}`)
