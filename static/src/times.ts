/** Times as people read them. */
import { language } from './i18n'

const locale = () => (language.value === 'zh' ? 'zh-CN' : 'en-GB')

/** A moment, from seconds since 1970. */
export function formatTime(seconds: number): string {
  return new Date(seconds * 1000).toLocaleString(locale(), { dateStyle: 'medium', timeStyle: 'short' })
}

export function formatDay(seconds: number): string {
  return new Date(seconds * 1000).toLocaleDateString(locale(), { dateStyle: 'medium' })
}
