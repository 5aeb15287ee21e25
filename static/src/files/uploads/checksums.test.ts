import { expect, test } from 'vitest'
import type { HttpRequest, HttpResponse, HttpStack } from 'tus-js-client'

import { ChecksumHttpStack, type Digest } from './checksums'

/** Remembers what was sent, with its headers. */
class Wire implements HttpStack {
  sent: Record<string, string>[] = []
  getName = () => 'Wire'
  createRequest(): HttpRequest {
    const headers: Record<string, string> = {}
    return {
      getMethod: () => 'PATCH',
      getURL: () => '/u',
      getHeader: (name) => headers[name],
      setHeader: (name, value) => void (headers[name] = value),
      setProgressHandler: () => undefined,
      getUnderlyingObject: () => null,
      abort: async () => undefined,
      send: async () => {
        this.sent.push(headers)
        return {} as HttpResponse
      },
    }
  }
}

const file = new Blob(['abcdefgh'])
const piece = (start: number, end: number) => file.slice(start, end)

async function send(stack: ChecksumHttpStack, start: number, end: number) {
  const request = stack.createRequest('PATCH', '/u')
  request.setHeader('Upload-Offset', String(start))
  await request.send(piece(start, end))
}

test('each piece carries its checksum; the next one is taken ahead and once', async () => {
  const wire = new Wire()
  const taken: string[] = []
  const digest: Digest = async (part) => {
    taken.push(await part.text())
    return `sum-${taken.length}`
  }
  const stack = new ChecksumHttpStack(file, digest, wire)
  await send(stack, 0, 4)
  await send(stack, 4, 8)
  expect(wire.sent.map((headers) => headers['Upload-Checksum'])).toEqual(['sha256 sum-1', 'sha256 sum-2'])
  expect(taken).toEqual(['abcd', 'efgh'])
})

test('where nothing can be hashed the piece goes without', async () => {
  const wire = new Wire()
  await send(new ChecksumHttpStack(file, () => Promise.reject(new Error('no WebAssembly')), wire), 0, 4)
  expect(wire.sent).toHaveLength(1)
  expect(wire.sent[0]!['Upload-Checksum']).toBeUndefined()
})

test('a request that is stopped while it is hashed is never sent', async () => {
  const wire = new Wire()
  let give: (digest: string) => void = () => undefined
  const request = new ChecksumHttpStack(file, () => new Promise((done) => (give = done)), wire).createRequest(
    'PATCH',
    '/u',
  )
  const sending = request.send(piece(0, 4))
  await request.abort()
  give('sum')
  await expect(sending).rejects.toThrow()
  expect(wire.sent).toEqual([])
})
