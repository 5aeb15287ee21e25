/** Routes of boards, and the types of their requests and answers. */
import { get, patch, post, remove } from '../api/client'
import type { RequestOf } from '../api/contract'

/** A board without its pictures. */
export interface BoardFacts {
  id: string
  name: string
  note: string
  cover: string | null // a path
  count: number
  made: number // seconds since 1970
  url: string | null // where it is shared
}

export interface BoardPicture {
  path: string
  there: boolean // whether its file is
  modified: number // seconds since 1970
  stars: number
  rejected: boolean
  visitor_stars: number // given through the link
}

export interface Board extends BoardFacts {
  pictures: BoardPicture[]
}

export type BoardChange = RequestOf<'/api/v1/boards/{name}', 'patch'>

const BOARDS = 'api/v1/boards'
const at = (id: string) => `${BOARDS}/${encodeURIComponent(id)}`

export const boards = () => get<{ boards: BoardFacts[] }>(BOARDS)
export const board = (id: string) => get<Board>(at(id))
export const makeBoard = (name: string) =>
  post<BoardFacts>(BOARDS, { name } satisfies RequestOf<'/api/v1/boards'>)
export const changeBoard = (id: string, change: BoardChange) => patch<Board>(at(id), change)
export const deleteBoard = (id: string) => remove(at(id))
