/** Files that were dropped or picked, with their relative folders. */

export interface PickedFile {
  file: File
  inner: string // the folder below the target: "" or "a/b"
}

export function readFileList(files: Iterable<File>): PickedFile[] {
  return [...files].map((file) => ({ file, inner: parentFolder(file.webkitRelativePath) }))
}

/**
 * Everything that was dropped, folders with all that they hold. Must be called while the event
 * lasts: what is dropped is forgotten afterwards.
 */
export async function readDrop(transfer: DataTransfer): Promise<PickedFile[]> {
  const items = [...transfer.items].filter(({ kind }) => kind === 'file')
  const entries = items.map((item) => item.webkitGetAsEntry())
  const plain = items.map((item) => item.getAsFile())
  const files: PickedFile[] = []
  for (const [at, entry] of entries.entries()) {
    if (entry) await walk(entry, '', files)
    else if (plain[at]) files.push({ file: plain[at], inner: '' })
  }
  return files
}

async function walk(entry: FileSystemEntry, inner: string, files: PickedFile[]) {
  if (entry.isFile) {
    files.push({ file: await fileOf(entry as FileSystemFileEntry), inner })
    return
  }
  const below = inner ? `${inner}/${entry.name}` : entry.name
  for (const child of await childrenOf(entry as FileSystemDirectoryEntry)) await walk(child, below, files)
}

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((give, fail) => entry.file(give, fail))
}

/** A directory reader returns batches of about 100 entries, and an empty one at the end. */
async function childrenOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader()
  const all: FileSystemEntry[] = []
  for (;;) {
    const batch = await new Promise<FileSystemEntry[]>((give, fail) => reader.readEntries(give, fail))
    if (batch.length === 0) return all
    all.push(...batch)
  }
}

function parentFolder(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}
