/** Pictures that were picked, dropped or pasted. */

export interface LoadedPicture {
  name: string
  uri: string // data URI, as the service takes it
  width: number // pixels
  height: number
}

/** One grey pixel. */
export const EMPTY_PICTURE =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=='

/** Read a picture file. Rejects if the browser cannot decode it. */
export async function loadPicture(file: Blob, name = ''): Promise<LoadedPicture> {
  const [uri, size] = await Promise.all([toDataUri(file), measurePicture(file)])
  return { name: name || (file instanceof File ? file.name : ''), uri, ...size }
}

/** The size of a picture file in pixels. Rejects if the browser cannot decode it. */
export async function measurePicture(file: Blob): Promise<{ width: number; height: number }> {
  const bitmap = await createImageBitmap(file)
  const { width, height } = bitmap
  bitmap.close()
  return { width, height }
}

export function toDataUri(file: Blob): Promise<string> {
  return new Promise((give, fail) => {
    const reader = new FileReader()
    reader.onload = () => give(String(reader.result))
    reader.onerror = () => fail(reader.error ?? new Error('unreadable'))
    reader.readAsDataURL(file)
  })
}

/** Picture files in a drop or paste. */
export function findPictures(transfer: DataTransfer | null): File[] {
  return [...(transfer?.files ?? [])].filter(({ type }) => type.startsWith('image/'))
}

/** Decode base64 without a data: prefix. */
export function toBlob(base64: string, type = 'image/png'): Blob {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))
  return new Blob([bytes], { type })
}
