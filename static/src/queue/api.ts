/** The route of the queue: who waits, and why. */
import { ApiError, get, remove } from '../api/client'
import { interrupt } from '../api/sdapi'

export interface WaitReason {
  kind: string // no_worker, worker_starts, own_limit, group_limit, jobs_first or workers_busy
  text: string
  others: number // jobs of others that go first
  own: number
  limit: number | null // jobs at once
  group: string | null
}

export interface QueuedJob {
  id: string
  task: string
  route: string
  user: string
  group: string | null
  state: string // queued or running
  predicted_seconds: number
  position: number | null
  eta: number | null // seconds until its end
  reason: WaitReason | null
}

export interface Quota {
  name: string
  group: string | null // the caller's own where null
  limit: number
  used: number
  in_queue: number // predicted for jobs that wait or run
  resets_at: number | null // seconds since 1970
}

export interface QueueState {
  waiting: number
  running: number
  workers: number
  others: { waiting: number; running: number }
  jobs: QueuedJob[]
  left_out: number
  quotas: Quota[]
}

export const queue = () => get<QueueState>('api/v1/queue')

/** End a job: one of the job API by its id, any other, also of a page's, by its task. */
export async function cancelJob({ id, task }: QueuedJob) {
  try {
    await remove<unknown>(`api/v1/jobs/${encodeURIComponent(id)}`)
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) throw error
    await interrupt(task)
  }
}
