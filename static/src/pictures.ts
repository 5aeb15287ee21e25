/** Pictures that the reader brings: by choosing, dropping or pasting. */

export interface LoadedPicture {
  name: string
  uri: string // data URI, as the service takes it
  width: number // pixels
  height: number
}

/** Raises when the bytes are no picture that the browser can show. */
export async function loadPicture(file: Blob, name = ''): Promise<LoadedPicture> {
  const [uri, size] = await Promise.all([toDataUri(file), measurePicture(file)])
  return { name: name || (file instanceof File ? file.name : ''), uri, ...size }
}

/** Pixels of a picture file. Raises when it is none. */
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

/** The picture files among what was dropped or pasted. */
export function findPictures(transfer: DataTransfer | null): File[] {
  return [...(transfer?.files ?? [])].filter(({ type }) => type.startsWith('image/'))
}

/** A picture of the service's, which sends base64 without a prefix, as a blob. */
export function toBlob(base64: string, type = 'image/png'): Blob {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))
  return new Blob([bytes], { type })
}
