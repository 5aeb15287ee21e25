/** What describes weights waits until their name is certain, and takes it. */
import { joinPath, nameOf } from '../paths'
import type { PickedFile } from './droppedFiles'
import { groupSidecars, renameSidecar } from './sidecars'
import type { UploadRow } from './useUploads'

type Brought = PickedFile & { to?: string }

export interface HeldSidecars {
  weights: string // path of the weights as they were brought
  folder: string // that they go to
  files: readonly File[]
}

/** The files that are sent at once, and those that wait for weights among them. */
export function holdSidecars(
  files: readonly Brought[],
  folder: string,
): { now: Brought[]; held: HeldSidecars[] } {
  const groups = groupSidecars(files)
  const owners = new Map<Brought, Brought[]>()
  for (const [one, owner] of groups) owners.set(owner, [...(owners.get(owner) ?? []), one])
  return {
    now: files.filter((one) => !groups.has(one)),
    held: [...owners].map(([{ file, inner, to }, beside]) => {
      const target = to ?? (inner ? joinPath(folder, inner) : folder)
      return { weights: joinPath(target, file.name), folder: target, files: beside.map((one) => one.file) }
    }),
  }
}

/**
 * What may go, once the upload of the weights is that far: null while their name is not certain,
 * nothing where the weights were given up. `keepsBoth`: they get another name than they came with.
 */
export function releaseSidecars(
  held: HeldSidecars,
  row: Pick<UploadRow, 'state' | 'path'> | undefined,
  keepsBoth: boolean,
): File[] | null {
  if (!row) return []
  if (row.state === 'done') return held.files.map((file) => withNameOf(file, held.weights, row.path))
  const isCertain =
    row.state === 'skipped' || ((row.state === 'sending' || row.state === 'paused') && !keepsBoth)
  return isCertain ? [...held.files] : null
}

function withNameOf(file: File, weights: string, newWeights: string): File {
  const name = renameSidecar(file.name, nameOf(weights), nameOf(newWeights))
  return name === file.name
    ? file
    : new File([file], name, { type: file.type, lastModified: file.lastModified })
}
