import type { Picture } from './useGeneration'

/** A file name from the first words of the prompt and the seed. */
export function fileName({ prompt, seed, kind }: Pick<Picture, 'prompt' | 'seed' | 'kind'>): string {
  const words = prompt.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? ['picture']
  return `${words.slice(0, 8).join('-')}-${seed}.${kind}`
}

/** Save what is at an address through the browser. */
export function saveUrl(url: string, name: string) {
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
}
