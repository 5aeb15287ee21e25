/** What stands beside an entry's name. */
import type { Language } from '../i18n'
import { formatSize } from './paths'
import type { Item } from './useListing'
import type { View } from './viewLayout'

/** Empty for a folder. */
export const sizeOf = ({ size }: Item): string => (size === null ? '' : formatSize(size))

export function dateOf({ modified }: Item, language: Language): string {
  return new Date(modified * 1000).toLocaleString(language === 'zh' ? 'zh-CN' : 'en-GB', {
    dateStyle: 'medium',
    timeStyle: 'short',
  })
}

/** An entry's accessible name: begins with all that one reads of it, as speech input needs. */
export function nameEntry(item: Item, view: View, language: Language, folder: string): string {
  const read = view === 'list' ? [item.name, sizeOf(item), dateOf(item, language)] : [item.name]
  return read.filter(Boolean).join(' ') + (item.kind === 'folder' ? `, ${folder}` : '')
}
