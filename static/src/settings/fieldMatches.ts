/** Fields of the drawing forms that a search for settings means, by AUTOMATIC1111's names too. */
import rows from '../../locales/fieldHelp.json'
import type { Language } from '../i18n'

const MAX_FIELDS = 6

export interface FieldMatch {
  key: string
  name: string
  text: string
}

export function fieldMatches(query: string, language: Language): FieldMatch[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean)
  if (words.length === 0) return []
  return Object.entries(rows)
    .filter(([key, { name, en, zh }]) => {
      const text = `${key}\n${name}\n${en}\n${language === 'zh' ? zh : ''}`.toLowerCase()
      return words.every((word) => text.includes(word))
    })
    .slice(0, MAX_FIELDS)
    .map(([key, row]) => ({ key, name: row.name, text: row[language] }))
}
