/** Text files: read with their ETag, written only if it still matches. */
import { ApiError, get, fetchOk } from '../../api/client'
import { fetchContent, query } from '../api'

const MAX_BYTES = 2 << 20 // bytes that can be edited
const MAX_SHOWN = 512 << 10 // bytes that are shown of what is longer
const PRECONDITION_FAILED = 412
const ROUTE = 'api/files/text'

export interface Text {
  text: string
  etag: string
  whole: boolean // all of it is here, and may be edited
}

export async function readText(path: string, size: number): Promise<Text> {
  if (size <= MAX_BYTES) {
    try {
      return { ...(await get<{ text: string; etag: string }>(`${ROUTE}?${query({ path })}`)), whole: true }
    } catch (error) {
      // Text that is not UTF-8 is decoded as far as possible.
      if (!(error instanceof ApiError) || ![400, 413, 415, 422].includes(error.status)) throw error
    }
  }
  const answer = await fetchContent(path, { headers: { Range: `bytes=0-${MAX_SHOWN - 1}` } })
  return { text: new TextDecoder().decode(await answer.arrayBuffer()), etag: '', whole: false }
}

/**
 * The new state; "" when somebody else has changed the file meanwhile, and nothing was saved.
 * `etag` is the state that was edited; null makes a new file.
 */
export async function writeText(path: string, text: string, etag: string | null): Promise<string> {
  const state: Record<string, string> = etag === null ? { 'If-None-Match': '*' } : { 'If-Match': `"${etag}"` }
  try {
    const answer = await fetchOk(`${ROUTE}?${query({ path })}`, {
      method: 'PUT',
      body: JSON.stringify({ text }),
      headers: { 'Content-Type': 'application/json', ...state },
    })
    return ((await answer.json()) as { etag: string }).etag
  } catch (error) {
    if (error instanceof ApiError && error.status === PRECONDITION_FAILED) return ''
    throw error
  }
}
