/** Routes of the history, and the types of their requests and answers. */
import { get, put } from '../api/client'
import type { RequestOf } from '../api/contract'
import { query } from '../files/api'

/** A picture of the history; null and '': it does not tell. */
export interface GalleryPicture {
  path: string
  name: string
  size: number | null // bytes
  modified: number // seconds since 1970
  width: number | null // pixels
  height: number | null
  seed: number | null
  model: string | null
  sampler: string | null
  prompt: string // its beginning
  stars: number // 0: none given
  rejected: boolean
}

export interface PicturePage {
  total: number
  complete: boolean // false while the service is still reading what there is
  pictures: GalleryPicture[]
}

export interface Filter {
  q: string
  model: string
  sampler: string
  since: string // a day, as 2026-11-30
  until: string
  stars: number // at least
  rejects: 'shown' | 'hidden' | 'only'
}

export interface Rating {
  stars?: number
  rejected?: boolean
}

export const NO_FILTER: Readonly<Filter> = {
  q: '',
  model: '',
  sampler: '',
  since: '',
  until: '',
  stars: 0,
  rejects: 'shown',
}

const PICTURES = 'api/v1/pictures'
const REJECTED = { shown: undefined, hidden: 0, only: 1 } as const

/** The query of a page, without what is not asked for. */
export function pageQuery(filter: Filter, offset: number, limit: number): string {
  const { rejects, stars, ...texts } = filter
  const given = Object.fromEntries(
    Object.entries(texts).map(([key, text]) => [key, text.trim() || undefined]),
  )
  return query({ ...given, stars: stars || undefined, rejected: REJECTED[rejects], offset, limit })
}

export const pictures = (filter: Filter, offset: number, limit: number) =>
  get<PicturePage>(`${PICTURES}?${pageQuery(filter, offset, limit)}`)

export const rate = (paths: string[], rating: Rating) =>
  put(`${PICTURES}/rating`, { paths, ...rating } satisfies RequestOf<'/api/v1/pictures/rating', 'put'>)
