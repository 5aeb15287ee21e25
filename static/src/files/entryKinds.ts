/** Icon and kind of preview of an entry. */
import type { Entry, EntryKind } from './api'
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
} as const satisfies Record<EntryKind, string>

/** The kind of preview of an entry. */
export type PreviewKind =
  'picture' | 'video' | 'audio' | 'text' | 'markdown' | 'pdf' | 'weights' | 'pickle' | 'nothing'

const PREVIEW_KINDS: Partial<Record<EntryKind, PreviewKind>> = {
  image: 'picture',
  video: 'video',
  audio: 'audio',
  text: 'text',
  markdown: 'markdown',
  pdf: 'pdf',
}
const PICKLE_EXTENSIONS = ['ckpt', 'pt', 'pth', 'bin']

export function previewKindOf({ name, kind }: Pick<Entry, 'name' | 'kind'>): PreviewKind {
  const extension = extensionOf(name)
  if (kind === 'model' && extension === 'safetensors') return 'weights'
  if (kind === 'model' && PICKLE_EXTENSIONS.includes(extension)) return 'pickle'
  return PREVIEW_KINDS[kind] ?? 'nothing'
}

/** Whether an entry has no content to read: links and special files. */
export function isUnreadable(kind: EntryKind): boolean {
  return kind === 'link' || kind === 'special'
}
