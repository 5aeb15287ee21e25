/** Web worker that computes SHA-256. */
import { createSHA256 } from 'hash-wasm'

interface Asked {
  id: number
  piece: Blob
}

self.onmessage = async ({ data: { id, piece } }: MessageEvent<Asked>) => {
  try {
    const hash = (await createSHA256()).init()
    const reader = piece.stream().getReader()
    for (let read = await reader.read(); !read.done; read = await reader.read()) hash.update(read.value)
    self.postMessage({ id, digest: hash.digest('binary') })
  } catch (error) {
    self.postMessage({ id, fault: String(error) })
  }
}
