/** Names and help of the options in both languages, from the one table of them. */
import table from '../../locales/options.json'
import type { Language } from '../i18n'

export interface OptionText {
  label: string
  help: string
  original: string // AUTOMATIC1111's label
}

type Texts = Record<Language, string>
const options = table.options as unknown as Record<string, Record<Language, [label: string, help: string]>>
const sections = table.sections as Record<string, Texts>
const choices = table.choices as Record<string, Texts>

export const KNOWN_OPTIONS = Object.keys(options)

/** An option that the table lacks is called by its key. */
export function textOf(name: string, language: Language): OptionText {
  const row = options[name]
  if (!row) return { label: name, help: '', original: name }
  const [label, help] = row[language]
  return { label, help, original: row.en[0] }
}

export const sectionTitle = (section: string, language: Language): string =>
  sections[section]?.[language] ?? section

/** A choice's name; null stands for none. */
export const choiceLabel = (choice: string | null, language: Language): string =>
  choices[choice ?? 'None']?.[language] ?? choice ?? ''

/** Whether every word of a search stands in an option's key, or in its texts of this language or English. */
export function matches(name: string, query: string, language: Language): boolean {
  const { label, help } = textOf(name, language)
  const english = textOf(name, 'en')
  const text = [name, name.replaceAll('_', ' '), label, help, english.label, english.help]
    .join('\n')
    .toLowerCase()
  return query
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word))
}
