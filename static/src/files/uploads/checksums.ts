/** A tus HTTP stack that adds checksums, computed in a web worker during the transfer. */
import { DefaultHttpStack, type HttpRequest, type HttpResponse, type HttpStack } from 'tus-js-client'

/** Computes the base64 SHA-256 of a chunk. */
export type Digest = (piece: Blob) => Promise<string>

interface DigestMessage {
  id: number
  digest?: Uint8Array
  fault?: string
}

/** Create a digest function; its web worker starts with the first call and serves all uploads. */
export function createDigester(): Digest {
  const waiting = new Map<number, { give: (digest: string) => void; fail: (error: Error) => void }>()
  let worker: Worker | null = null
  let last = 0

  function startWorker(): Worker {
    const worker = new Worker(new URL('./hash.worker.ts', import.meta.url), { type: 'module' })
    worker.onmessage = ({ data: { id, digest, fault } }: MessageEvent<DigestMessage>) => {
      const pending = waiting.get(id)
      waiting.delete(id)
      if (digest) pending?.give(btoa(String.fromCharCode(...digest)))
      else pending?.fail(new Error(fault))
    }
    worker.onerror = () => {
      for (const { fail } of waiting.values()) fail(new Error('the worker did not start'))
      waiting.clear()
    }
    return worker
  }

  return (piece) =>
    new Promise((give, fail) => {
      worker ??= startWorker()
      waiting.set(++last, { give, fail })
      worker.postMessage({ id: last, piece })
    })
}

/** HTTP stack of one file: computes the next chunk's checksum while one is sent. */
export class ChecksumHttpStack implements HttpStack {
  private ahead: { start: number; end: number; digest: Promise<string> } | null = null

  constructor(
    private readonly file: Blob,
    private readonly digest: Digest,
    private readonly inner: HttpStack = new DefaultHttpStack({}),
  ) {}

  createRequest(method: string, url: string): HttpRequest {
    return new ChecksumRequest(this.inner.createRequest(method, url), this)
  }

  getName(): string {
    return 'CheckingStack'
  }

  async checksum(start: number, piece: Blob): Promise<string | null> {
    const end = start + piece.size
    const known = this.ahead?.start === start && this.ahead.end === end ? this.ahead.digest : null
    try {
      const digest = await (known ?? this.digest(piece))
      this.lookAhead(end, piece.size)
      return digest
    } catch {
      return null // a browser that cannot hash sends without; the transport still checks itself
    }
  }

  private lookAhead(start: number, size: number) {
    this.ahead = null
    const end = Math.min(start + size, this.file.size)
    if (start >= end) return
    const digest = this.digest(this.file.slice(start, end))
    digest.catch(() => undefined) // asked for again, and told, when it is needed
    this.ahead = { start, end, digest }
  }
}

class ChecksumRequest implements HttpRequest {
  private offset = 0
  private stopped = false

  constructor(
    private readonly inner: HttpRequest,
    private readonly stack: ChecksumHttpStack,
  ) {}

  getMethod = () => this.inner.getMethod()
  getURL = () => this.inner.getURL()
  getHeader = (header: string) => this.inner.getHeader(header)
  getUnderlyingObject = (): unknown => this.inner.getUnderlyingObject()
  setProgressHandler = (handler: (sent: number) => void) => this.inner.setProgressHandler(handler)

  setHeader(header: string, value: string) {
    if (header === 'Upload-Offset') this.offset = Number(value)
    this.inner.setHeader(header, value)
  }

  async send(body: unknown): Promise<HttpResponse> {
    if (body instanceof Blob && body.size > 0) {
      const digest = await this.stack.checksum(this.offset, body)
      if (this.stopped) throw new Error('stopped')
      if (digest) this.inner.setHeader('Upload-Checksum', `sha256 ${digest}`)
    }
    return this.inner.send(body)
  }

  abort(): Promise<void> {
    this.stopped = true
    return this.inner.abort()
  }
}
