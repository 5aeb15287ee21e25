import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { effectScope } from 'vue'

import * as api from './api'
import { useJobs } from './useJobs'

vi.mock('./api')
const job = (given: Partial<api.Job> = {}): api.Job => ({
  id: 'j',
  verb: 'copy',
  state: 'running',
  done: 1,
  total: 2,
  steps: 1,
  results: [],
  error: '',
  ...given,
})
beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function start() {
  const ended: string[] = []
  const errors: unknown[] = []
  const scope = effectScope()
  const jobs = scope.run(() =>
    useJobs(
      (error) => errors.push(error),
      ({ state }) => ended.push(state),
    ),
  )!
  return { jobs, ended, errors, scope }
}

test('a job is asked about until it ends, and then told once', async () => {
  const { jobs, ended, scope } = start()
  vi.mocked(api.job)
    .mockResolvedValueOnce(job())
    .mockResolvedValue(job({ state: 'done' }))
  await jobs.follow('j')
  expect(jobs.running.value.map(({ id }) => id)).toEqual(['j'])
  await vi.advanceTimersByTimeAsync(2000)
  expect(jobs.running.value).toEqual([])
  expect(ended).toEqual(['done'])
  expect(api.job).toHaveBeenCalledTimes(2)
  scope.stop()
})

test('of the jobs that the service lists, those that go on are followed', async () => {
  const { jobs, ended, scope } = start()
  const listed = [job({ id: 'old', state: 'failed' }), job({ id: 'new', state: 'waiting' })]
  vi.mocked(api.jobs).mockResolvedValue({ jobs: listed })
  await jobs.loadOpen()
  expect(jobs.running.value.map(({ id }) => id)).toEqual(['new'])
  expect(ended).toEqual([])
  scope.stop()
})

test('what goes wrong is told and ends nothing', async () => {
  const { jobs, errors, scope } = start()
  vi.mocked(api.cancelJob).mockRejectedValue('refused')
  await jobs.cancel('j')
  expect(errors).toEqual(['refused'])
  scope.stop()
})
