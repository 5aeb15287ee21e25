/** The job API: a request that is queued, watched, and answered at its end. */
import { fetchOk, get, post, remove } from './client'

export interface Job {
  id: string
}

/** Queue what the route `path` would answer. Sent twice with the same key, it is one job. */
export const postJob = (path: string, body: unknown, key: string) =>
  post<Job>('api/v1/jobs', { path, body }, false, { 'Idempotency-Key': key })

/** What a job would take, and when it would begin. */
export interface Price {
  seconds: number
  startsIn: number | null // seconds; null while no worker lives
}

/** Ask for the price; nothing is queued. Times are the service's, whose clock may differ. */
export async function priceOf(path: string, body: unknown): Promise<Price> {
  const init = {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ path, body }),
  }
  const response = await fetchOk('api/v1/jobs?dry_run=1', init, true)
  const told = (await response.json()) as { predicted_seconds: number; predicted_start: number | null }
  const now = Date.parse(response.headers.get('Date') ?? '') || Date.now()
  const startsIn = told.predicted_start === null ? null : Math.max(0, told.predicted_start - now / 1000)
  return { seconds: told.predicted_seconds, startsIn }
}

export const jobResult = <T>(id: string) => get<T>(`api/v1/jobs/${id}/result`)
/** Drop the result and the drawn pictures of a job that has ended. */
export const dropJob = (id: string) => remove<Job>(`api/v1/jobs/${id}`)
