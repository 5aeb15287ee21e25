/** How an entry is drawn in the list, and how it is looked into. */
import type { Entry, Kind } from './api'
import { extensionOf } from './paths'

export const ICONS = {
  folder: 'folder',
  image: 'picture',
  video: 'film',
  audio: 'music',
  text: 'words',
  markdown: 'words',
  pdf: 'words',
  model: 'weights',
  archive: 'box',
  file: 'file',
  link: 'link',
  special: 'file',
} as const satisfies Record<Kind, string>

/** What the preview shows of it. */
export type Look = 'picture' | 'video' | 'audio' | 'text' | 'markdown' | 'pdf' | 'weights' | 'pickle' | 'nothing'

const LOOKS: Partial<Record<Kind, Look>> = {
  image: 'picture',
  video: 'video',
  audio: 'audio',
  text: 'text',
  markdown: 'markdown',
  pdf: 'pdf',
}
const PICKLES = ['ckpt', 'pt', 'pth', 'bin']

export function lookOf({ name, kind }: Pick<Entry, 'name' | 'kind'>): Look {
  const extension = extensionOf(name)
  if (kind === 'model' && extension === 'safetensors') return 'weights'
  if (kind === 'model' && PICKLES.includes(extension)) return 'pickle'
  return LOOKS[kind] ?? 'nothing'
}

/** Small things that cannot be opened or followed. */
export function isClosed(kind: Kind): boolean {
  return kind === 'link' || kind === 'special'
}
