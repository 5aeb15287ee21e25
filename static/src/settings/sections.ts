/** Which options are shown: those of a section, those that were set, or those that a search finds. */
import type { Language } from '../i18n'
import type { OptionFacts } from './api'
import { matches } from './optionTexts'

export const PAGE = 'page' // what the browser keeps; none of the service's options
export const SET_HERE = 'set' // options of all sections that somebody has set

const MAX_IDLE = 12 // names of idle options in an answer

export interface OptionGroup {
  section: string
  options: OptionFacts[]
}

export function filterOptions(
  options: readonly OptionFacts[],
  section: string,
  query: string,
  language: Language,
): OptionFacts[] {
  if (query) return options.filter(({ name }) => matches(name, query, language))
  if (section === SET_HERE) return options.filter(({ own, enforced }) => own && !enforced)
  return options.filter((option) => option.section === section)
}

/** Groups in the order of their first options. */
export function groupBySection(options: readonly OptionFacts[]): OptionGroup[] {
  const groups = new Map<string, OptionFacts[]>()
  for (const option of options) groups.set(option.section, [...(groups.get(option.section) ?? []), option])
  return [...groups].map(([section, members]) => ({ section, options: members }))
}

/** Options of AUTOMATIC1111 that do nothing here and that a search names, so that it is told. */
export function idleMatches(idle: readonly string[], query: string): string[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean)
  if (words.length === 0) return []
  const found = idle.filter((name) => words.every((word) => name.toLowerCase().includes(word)))
  return found.slice(0, MAX_IDLE)
}
