/** Times as people of a language read them. */
import type { Language } from './i18n'

const localeOf = (language: Language) => (language === 'zh' ? 'zh-CN' : 'en-GB')

/** A moment, from seconds since 1970. */
export function formatTimeIn(language: Language, seconds: number): string {
  const shape = { dateStyle: 'medium', timeStyle: 'short' } as const
  return new Date(seconds * 1000).toLocaleString(localeOf(language), shape)
}

export function formatDayIn(language: Language, seconds: number): string {
  return new Date(seconds * 1000).toLocaleDateString(localeOf(language), { dateStyle: 'medium' })
}
