import { expect, test } from 'vitest'

import type { TaskProgress } from '../api/sdapi'
import {
  countJobs,
  listedJobs,
  newJob,
  NOTHING,
  promptLines,
  readProgress,
  readStored,
  shownJob,
  toStored,
  type DrawingJob,
} from './drawingJobs'

const job = (task: string, changes: Partial<DrawingJob> = {}) => ({
  ...newJob({ ...NOTHING, task }),
  ...changes,
})
const progress = (changes: Partial<TaskProgress>): TaskProgress => ({
  active: false,
  queued: false,
  completed: false,
  progress: null,
  eta: null,
  live_preview: null,
  id_live_preview: -1,
  textinfo: null,
  ...changes,
})

test('the canvas shows the job that is drawn, else the next one', () => {
  const [first, second] = [job('1'), job('2', { state: 'running' })]
  expect(shownJob([first, second])?.task).toBe('2')
  expect(shownJob([first])?.task).toBe('1')
  expect(shownJob([job('1', { stopping: true }), job('2')])?.task).toBe('2')
  expect(shownJob([])).toBeNull()
})

test('a waiting job that is stopped has left the list, a running one ends first', () => {
  const jobs = [
    job('1', { state: 'running', stopping: true }),
    job('2', { stopping: true }),
    job('3', { state: 'waiting' }),
  ]
  expect(listedJobs(jobs).map(({ task }) => task)).toEqual(['1', '3'])
  expect(countJobs(listedJobs(jobs))).toEqual({ running: 1, waiting: 1 })
})

test('progress says place and share, and keeps the last preview', () => {
  const each = job('1')
  readProgress(each, progress({ queued: true, textinfo: 'In queue: 2/3', eta: 9 }))
  expect([each.state, each.queue, each.eta]).toEqual(['waiting', '2/3', 9])
  readProgress(each, progress({ active: true, progress: 0.5, live_preview: 'data:a', textinfo: 'Loading' }))
  readProgress(each, progress({ active: true }))
  expect([each.state, each.queue, each.share, each.preview]).toEqual(['running', '', 0.5, 'data:a'])
})

test('stored jobs are read, also the one of an older page, and damage is none', () => {
  const stored = toStored(job('1', { prompt: 'a cat', share: 0.5 }))
  expect(readStored(JSON.stringify([stored]))).toEqual([stored])
  expect(readStored('{"task": "2", "prompt": "a dog"}')).toEqual([{ ...NOTHING, task: '2', prompt: 'a dog' }])
  expect(readStored('[{]')).toEqual([])
  expect(readStored('[{"prompt": "none"}]')).toEqual([])
})

test('each line is a prompt', () => {
  expect(promptLines(' a cat \n\n a dog\r\n')).toEqual(['a cat', 'a dog'])
})
