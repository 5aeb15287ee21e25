import { afterEach, beforeEach, expect, test, vi } from 'vitest'

import { connectionLost } from './client'
import { createWindowEvents } from './windowEvents'

class Stream extends EventTarget {
  static CLOSED = 2
  static all: Stream[] = []
  readyState = 1
  onerror: (() => void) | null = null
  constructor(readonly url: string) {
    super()
    Stream.all.push(this)
  }
  close() {
    this.readyState = Stream.CLOSED
  }
  tell(name: string, data: object = {}, lastEventId = '') {
    this.dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data), lastEventId }))
  }
  fail(readyState: number) {
    this.readyState = readyState
    this.onerror?.()
  }
}
const latest = () => Stream.all.at(-1)!
const query = () => new URL(latest().url).search

beforeEach(() => {
  vi.useFakeTimers()
  Stream.all = []
  vi.stubGlobal('document', { baseURI: 'http://easel/below/' })
  vi.stubGlobal('window', globalThis)
  vi.stubGlobal('EventSource', Stream)
  vi.stubGlobal('fetch', async () => Response.json({}))
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

const job = () => ({ onPicture: vi.fn(), onEnd: vi.fn() })

test('one stream tells of models, files and all jobs of the window', () => {
  const events = createWindowEvents()
  const models = { onModels: vi.fn(), onRefused: vi.fn() }
  const [files, first, second] = [vi.fn(), job(), job()]
  events.followModels(models)
  events.followFiles(files)
  events.followJob('1', first)
  events.followJob('2', second)
  vi.runAllTimers()
  expect(Stream.all).toHaveLength(1)
  expect(query()).toBe('?job=1&job=2&files=1')
  latest().tell('models', { revision: 3 })
  latest().tell('models', { revision: 3 }) // the stream came again
  expect(models.onModels).toHaveBeenCalledTimes(1)
  latest().tell('change', { path: '/data/b', previous: '/data/a' }, 'x-1')
  expect(files).toHaveBeenCalledWith(['/data/b', '/data/a'])
  latest().tell('picture', { job: '2', number: 0, url: '/api/v1/jobs/2/pictures/0' })
  expect(second.onPicture).toHaveBeenCalledWith(0, 'http://easel/below/api/v1/jobs/2/pictures/0')
  latest().tell('end', { job: '1' })
  expect(first.onEnd).toHaveBeenCalled()
  expect(second.onEnd).not.toHaveBeenCalled()
})

test('it is opened anew for one more job, and goes on where files stood', () => {
  const events = createWindowEvents()
  const stopFiles = events.followFiles(vi.fn())
  const stopFirst = events.followJob('1', job())
  vi.runAllTimers()
  latest().tell('ready', {}, 'x-7')
  const stopSecond = events.followJob('2', job())
  vi.runAllTimers()
  expect(Stream.all).toHaveLength(2)
  expect(Stream.all[0]!.readyState).toBe(Stream.CLOSED)
  expect(query()).toBe('?job=1&job=2&files=1&since=x-7')
  for (const stop of [stopFirst, stopSecond]) stop()
  vi.runAllTimers()
  expect(Stream.all).toHaveLength(2) // it tells of enough
  stopFiles()
  expect(latest().readyState).toBe(Stream.CLOSED)
})

test('of many jobs the first are told, the others as places come free', () => {
  const events = createWindowEvents()
  const stops = Array.from({ length: 17 }, (_, at) => events.followJob(`${at}`, job()))
  vi.runAllTimers()
  expect(query()).not.toContain('job=16')
  stops[0]!()
  vi.runAllTimers()
  expect(query()).toContain('job=16')
})

test('an end that is said is no lost connection; what is not said is', async () => {
  const events = createWindowEvents()
  const models = { onModels: vi.fn(), onRefused: vi.fn() }
  events.followModels(models)
  await vi.runAllTimersAsync()
  latest().tell('models', { revision: 1 })
  const asked = vi.fn(async () => Promise.reject(new TypeError('Failed to fetch')))
  vi.stubGlobal('fetch', asked)
  latest().tell('bye')
  latest().fail(0)
  expect(asked).not.toHaveBeenCalled()
  latest().fail(0)
  await vi.advanceTimersByTimeAsync(1)
  expect(connectionLost.value).toBe(true)
  vi.stubGlobal('fetch', async () => Response.json({}))
  await vi.runAllTimersAsync()
  expect(connectionLost.value).toBe(false)
  latest().tell('models', { revision: 1 }) // another service may have begun to count anew
  expect(models.onModels).toHaveBeenCalledTimes(2)
  latest().fail(Stream.CLOSED)
  expect(models.onRefused).toHaveBeenCalledTimes(1)
})
