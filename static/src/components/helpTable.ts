/** The table of what fields are for, and how a field's row is found. */
import type { Language } from '../i18n'

interface HelpRow extends Record<Language, string> {
  name: string // AUTOMATIC1111's
}
export interface FieldHelp {
  name: string
  text: string
}
export type HelpTable = Record<string, HelpRow>

/** The key of a field: its id without the section, or the number of a ControlNet unit. */
export function helpKey(id: string): string {
  return id.replace(/^(txt2img|img2img)_/, '').replace(/^controlnet_(ControlNet-)?\d+_/, 'control_')
}

export function findHelp(rows: HelpTable | null, id: string | undefined, spoken: Language): FieldHelp | null {
  const row = id === undefined ? undefined : rows?.[helpKey(id)]
  return row ? { name: row.name, text: row[spoken] } : null
}
