/** Weights that were dropped where nobody looks for them: which folder would be theirs. */
import { suggestion } from '../api'
import { extensionOf, within } from '../paths'
import type { Brought } from './dropped'

const LONGEST_HEADER = 25_000_000 // bytes; the service reads no longer one

export interface Sorted extends Brought {
  suggested?: string // a folder
  to?: string // the folder that was decided on
}

/** The same files; with a folder where the service knows a better one than `folder`. */
export async function withFolders(brought: Brought[], folder: string): Promise<Sorted[]> {
  return Promise.all(
    brought.map(async (one) => {
      if (one.inner || extensionOf(one.file.name) !== 'safetensors') return one
      const suggested = await suggestedFor(one.file)
      return suggested && !within(folder, suggested) ? { ...one, suggested } : one
    }),
  )
}

/** "" where nobody knows: a suggestion is no reason to hold up an upload. */
async function suggestedFor(file: File): Promise<string> {
  const header = await headerOf(file)
  if (!header) return ''
  try {
    return (await suggestion(header)).folder ?? ''
  } catch {
    return ''
  }
}

/** The length and the JSON that a safetensors file begins with; null for what is none. */
async function headerOf(file: Blob): Promise<Blob | null> {
  if (file.size < 8) return null
  const start = new DataView(await file.slice(0, 8).arrayBuffer())
  const length = Number(start.getBigUint64(0, true))
  return length <= Math.min(LONGEST_HEADER, file.size - 8) ? file.slice(0, 8 + length) : null
}
