/** What stands beside an entry's name. */
import type { Language } from '../i18n'
import { formatTimeIn } from '../timeFormats'
import { formatSize } from './paths'
import type { Item } from './useListing'
import type { View } from './viewLayout'

/** Empty for a folder. */
export const sizeOf = ({ size }: Item): string => (size === null ? '' : formatSize(size))

export const dateOf = ({ modified }: Item, language: Language): string => formatTimeIn(language, modified)

/** An entry's accessible name: begins with all that one reads of it, as speech input needs. */
export function nameEntry(item: Item, view: View, language: Language, folder: string): string {
  const read = view === 'list' ? [item.name, sizeOf(item), dateOf(item, language)] : [item.name]
  return read.filter(Boolean).join(' ') + (item.kind === 'folder' ? `, ${folder}` : '')
}
