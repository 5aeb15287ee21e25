/** Inputs for plugin settings, by the type of their default. */
import type { Setting } from './api'

export type SettingKind = 'switch' | 'choice' | 'several' | 'number' | 'text' | 'words' | 'json'

export function kindOf({ default: defaultValue, choices }: Setting): SettingKind {
  if (choices.length > 0) return Array.isArray(defaultValue) ? 'several' : 'choice'
  if (typeof defaultValue === 'boolean') return 'switch'
  if (typeof defaultValue === 'number') return 'number'
  if (typeof defaultValue === 'string') return 'text'
  if (Array.isArray(defaultValue) && defaultValue.every((one) => typeof one === 'string')) return 'words'
  return 'json'
}

/** A setting's value as its input shows it. */
export function toFieldValue(setting: Setting): unknown {
  const { value } = setting
  const kind = kindOf(setting)
  if (kind === 'words' && Array.isArray(value)) return value.join(', ')
  if (kind === 'json' || kind === 'words') return JSON.stringify(value, null, 1)
  return value
}

/** An input's value as the API takes it. Throws `SyntaxError` for invalid JSON. */
export function fromFieldValue(setting: Setting, field: unknown): unknown {
  const kind = kindOf(setting)
  if (kind === 'json') return JSON.parse(String(field)) as unknown
  if (kind !== 'words') return field
  return String(field)
    .split(',')
    .map((word) => word.trim())
    .filter(Boolean)
}
