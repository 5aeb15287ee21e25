import { afterEach, beforeEach, expect, test, vi } from 'vitest'

import type { GenerationRequest } from '../api/sdapi'
import { awaitAnswer, submit } from './task'

class Stream extends EventTarget {
  static CLOSED = 2
  static latest: Stream
  closed = false
  constructor(readonly url: string) {
    super()
    Stream.latest = this
  }
  close() {
    this.closed = true
  }
  tell(name: string, data: object = {}) {
    this.dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data) }))
  }
}

const request = { force_task_id: 'task(1)' } as GenerationRequest
const running = { active: true, queued: false, completed: false, id_live_preview: 1 }
const ended = { ...running, active: false, completed: true }
const asked: string[] = []
let answers: Record<string, unknown[]> // by the end of an address; the last one stays; null: no connection

beforeEach(() => {
  vi.useFakeTimers()
  asked.length = 0
  vi.stubGlobal('document', { baseURI: 'http://easel/below/' })
  vi.stubGlobal('window', globalThis)
  vi.stubGlobal('EventSource', Stream)
  vi.stubGlobal('fetch', async (url: string, { method, headers }: RequestInit) => {
    const path = new URL(url).pathname.replace('/below/', '')
    const key = new Headers(headers).get('Idempotency-Key')
    asked.push([method, path, key].filter(Boolean).join(' '))
    const known = answers[path] ?? [{}]
    const answer = known.length > 1 ? known.shift() : known[0]
    if (answer === null) throw new TypeError('Failed to fetch')
    return Response.json(answer)
  })
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

const listener = (near = true) => ({
  isStopping: () => false,
  isNear: () => near,
  onProgress: vi.fn(),
  onPicture: vi.fn(),
})

test('a request that got lost is sent again as the same job', async () => {
  answers = { 'api/v1/jobs': [null, { id: '7' }], 'internal/ping': [null, {}] }
  const job = submit('/sdapi/v1/txt2img', request, () => false)
  await vi.runAllTimersAsync()
  expect(await job).toBe('7')
  expect(asked.filter((line) => line === 'POST api/v1/jobs task(1)')).toHaveLength(2)
})

test('pictures are told one by one, and the end at once', async () => {
  answers = { 'internal/progress': [running], 'api/v1/jobs/7/result': [{ images: ['x'] }] }
  const told = listener()
  const answer = awaitAnswer({ task: 'task(1)', job: '7' }, told)
  await vi.advanceTimersByTimeAsync(1)
  Stream.latest.tell('picture', { job: '7', number: 0, url: '/api/v1/jobs/7/pictures/0' })
  expect(told.onPicture).toHaveBeenCalledWith(0, 'http://easel/below/api/v1/jobs/7/pictures/0')
  Stream.latest.tell('end', { job: '7' })
  await vi.advanceTimersByTimeAsync(1)
  expect(await answer).toEqual({ images: ['x'] })
  expect(Stream.latest.closed).toBe(true)
  expect(asked.slice(-2)).toEqual(['GET api/v1/jobs/7/result', 'DELETE api/v1/jobs/7'])
})

test('without a stream the end is found by asking, also over a lost connection', async () => {
  answers = { 'internal/progress': [running, null, ended], 'api/v1/jobs/7/result': [null, { images: [] }] }
  const told = listener()
  const answer = awaitAnswer({ task: 'task(1)', job: '7' }, told)
  await vi.runAllTimersAsync()
  expect(await answer).toEqual({ images: [] })
  expect(told.onProgress).toHaveBeenCalledTimes(1)
})

test('a job behind others of the window is asked about less often', async () => {
  answers = { 'internal/progress': [running, running, ended], 'api/v1/jobs/9/result': [{ images: [] }] }
  const answer = awaitAnswer({ task: 'task(1)', job: '9' }, listener(false))
  await vi.advanceTimersByTimeAsync(1400)
  expect(asked).toHaveLength(1)
  expect(Stream.latest.url).toBe('http://easel/below/api/v1/events?job=9')
  await vi.runAllTimersAsync()
  expect(await answer).toEqual({ images: [] })
})
