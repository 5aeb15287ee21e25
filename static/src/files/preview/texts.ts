/** A text of the service's: read with its state, written only if that is still its state. */
import { ApiError, raw } from '../../api/client'
import { bytesOf, query } from '../api'

const MOST = 1 << 20 // bytes that are shown; more is downloaded
const CHANGED = 412

export interface Text {
  text: string
  etag: string
  whole: boolean // all of it is here, and may be edited
}

export async function readText(path: string, size: number): Promise<Text> {
  const whole = size <= MOST
  const answer = await bytesOf(path, whole ? {} : { headers: { Range: `bytes=0-${MOST - 1}` } })
  const bytes = await answer.arrayBuffer()
  // Letters that are none in UTF-8 would be lost in saving.
  const decoded = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  return { text: decoded, etag: answer.headers.get('ETag') ?? '', whole: whole && !decoded.includes('\ufffd') }
}

/** The new state; null when somebody else has changed the file meanwhile, and nothing was saved. */
export async function writeText(path: string, text: string, etag: string): Promise<string | null> {
  try {
    const answer = await raw(`api/files/content?${query({ path })}`, {
      method: 'PUT',
      body: text,
      headers: { 'Content-Type': 'text/plain; charset=utf-8', ...(etag ? { 'If-Match': etag } : {}) },
    })
    return answer.headers.get('ETag') ?? ''
  } catch (error) {
    if (error instanceof ApiError && error.status === CHANGED) return null
    throw error
  }
}
