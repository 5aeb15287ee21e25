/** Times as the reader of the page reads them, from seconds since 1970. */
import { language } from './i18n'
import { formatDayIn, formatTimeIn } from './timeFormats'

export const formatTime = (seconds: number): string => formatTimeIn(language.value, seconds)
export const formatDay = (seconds: number): string => formatDayIn(language.value, seconds)
