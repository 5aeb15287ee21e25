/** What stands beside an entry's name. */
import type { Language } from '../i18n'
import { formatSize } from './paths'
import type { Item } from './useListing'

/** Empty for a folder. */
export const sizeOf = ({ size }: Item): string => (size === null ? '' : formatSize(size))

export function dateOf({ modified }: Item, language: Language): string {
  return new Date(modified * 1000).toLocaleString(language === 'zh' ? 'zh-CN' : 'en-GB', {
    dateStyle: 'medium',
    timeStyle: 'short',
  })
}

/** Size and date in one line. */
export function describeEntry(item: Item, language: Language): string {
  return [sizeOf(item), dateOf(item, language)].filter(Boolean).join(', ')
}
