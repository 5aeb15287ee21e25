/** Suggests folders for weights that are uploaded to a folder that is not scanned for models. */
import { suggestFolderFor } from '../api'
import { extensionOf, isWithin } from '../paths'
import type { PickedFile } from './droppedFiles'
import { groupSidecars } from './sidecars'

const MAX_HEADER_BYTES = 25_000_000 // bytes; the service reads no longer one

export interface SuggestedFile extends PickedFile {
  suggested?: string // a folder
  beside?: SuggestedFile // the weights that it describes, and goes with
  to?: string // the folder that was decided on
}

/**
 * The files, with a suggested folder where the service knows a better one than `folder`; what
 * describes weights beside them goes where these go.
 */
export async function suggestFolders(files: PickedFile[], folder: string): Promise<SuggestedFile[]> {
  const found = await Promise.all(
    files.map(async (one): Promise<SuggestedFile> => {
      if (one.inner || extensionOf(one.file.name) !== 'safetensors') return one
      const suggested = await suggestFolder(one.file)
      return suggested && !isWithin(folder, suggested) ? { ...one, suggested } : one
    }),
  )
  const groups = groupSidecars(found)
  return found.map((one) => {
    const beside = groups.get(one)
    return beside?.suggested ? { ...one, suggested: beside.suggested, beside } : one
  })
}

/** The suggested folder; "" if there is none or the request fails, so that the upload goes on. */
async function suggestFolder(file: File): Promise<string> {
  const header = await readHeader(file)
  if (!header) return ''
  try {
    return (await suggestFolderFor(header)).folder ?? ''
  } catch {
    return ''
  }
}

/** The header of a safetensors file with its length prefix; null for other files. */
async function readHeader(file: Blob): Promise<Blob | null> {
  if (file.size < 8) return null
  const start = new DataView(await file.slice(0, 8).arrayBuffer())
  const length = Number(start.getBigUint64(0, true))
  return length <= Math.min(MAX_HEADER_BYTES, file.size - 8) ? file.slice(0, 8 + length) : null
}
