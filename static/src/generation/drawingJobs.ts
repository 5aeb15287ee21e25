/** The jobs of a window: what each was asked for, and how it stands. */
import type { TaskProgress } from '../api/sdapi'
import type { Task } from './task'

/** A task as stored in sessionStorage, to resume it after a reload. */
export interface StoredTask extends Task {
  prompt: string
  width: number
  height: number
  count: number // of pictures asked for
  batch: number // of them, drawn at the same time
}

export interface DrawingJob extends StoredTask {
  state: 'sent' | 'waiting' | 'running' // sent: the service has not said anything of it
  share: number // 0..1
  eta: number | null // seconds
  queue: string // its place, "2/3"; empty for one that is drawn
  note: string // what the service says of one that is drawn
  preview: string // address
  part: string // "2 / 5" of a series
  drawn: string[] // addresses of pictures, by number
  stopping: boolean
}

export const NOTHING: StoredTask = {
  task: '',
  job: '',
  prompt: '',
  width: 1,
  height: 1,
  count: 1,
  batch: 1,
}

export const newJob = (task: StoredTask): DrawingJob => ({
  ...task,
  state: 'sent',
  share: 0,
  eta: null,
  queue: '',
  note: '',
  preview: '',
  part: '',
  drawn: [],
  stopping: false,
})

/** The one on the canvas: the first that is drawn, else the first that waits and is not stopped. */
export function shownJob(jobs: readonly DrawingJob[]): DrawingJob | null {
  const going = jobs.filter(({ stopping, state }) => !stopping || state === 'running')
  return going.find(({ state }) => state === 'running') ?? going[0] ?? jobs[0] ?? null
}

export function readProgress(job: DrawingJob, state: TaskProgress) {
  job.state = state.active ? 'running' : 'waiting'
  job.share = state.progress ?? job.share
  job.eta = state.eta
  job.queue = state.queued ? (state.textinfo?.replace(/^\D+/, '') ?? '') : ''
  job.note = state.active ? (state.textinfo ?? '') : ''
  if (state.live_preview) job.preview = state.live_preview
}

/** Those that the list shows: a waiting one that is stopped has left. */
export const listedJobs = (jobs: readonly DrawingJob[]) =>
  jobs.filter(({ stopping, state }) => !stopping || state === 'running')

/** How many are drawn and how many wait. */
export function countJobs(jobs: readonly DrawingJob[]): { running: number; waiting: number } {
  const running = jobs.filter(({ state }) => state === 'running').length
  return { running, waiting: jobs.length - running }
}

export const toStored = ({ task, job, prompt, width, height, count, batch }: DrawingJob): StoredTask => ({
  task,
  job,
  prompt,
  width,
  height,
  count,
  batch,
})

/** The stored tasks; none where they cannot be read. */
export function readStored(text: string): StoredTask[] {
  try {
    const stored = [JSON.parse(text) as Partial<StoredTask> | Partial<StoredTask>[]].flat()
    return stored.filter(({ task }) => task).map((each) => ({ ...NOTHING, ...each }))
  } catch {
    return []
  }
}

/** The prompts of a text with one a line. */
export const promptLines = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean)
