import type { Picture } from './useGeneration'

/** A file name from the first words of the prompt and the seed. */
export function fileName({ prompt, seed, kind }: Pick<Picture, 'prompt' | 'seed' | 'kind'>): string {
  const words = prompt.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? ['picture']
  return `${words.slice(0, 8).join('-')}-${seed}.${kind}`
}

/** Save a picture through the browser. */
export function savePicture(picture: Picture) {
  const link = document.createElement('a')
  link.href = picture.url
  link.download = fileName(picture)
  link.click()
}
