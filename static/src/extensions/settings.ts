/** How a plugin's settings are drawn: by the kind of their default. */
import type { Setting } from './api'

export type SettingKind = 'switch' | 'choice' | 'several' | 'number' | 'text' | 'words' | 'json'

export function kindOf({ default: usual, choices }: Setting): SettingKind {
  if (choices.length > 0) return Array.isArray(usual) ? 'several' : 'choice'
  if (typeof usual === 'boolean') return 'switch'
  if (typeof usual === 'number') return 'number'
  if (typeof usual === 'string') return 'text'
  if (Array.isArray(usual) && usual.every((one) => typeof one === 'string')) return 'words'
  return 'json'
}

/** A setting as it stands in its field. */
export function written(setting: Setting): unknown {
  const { value } = setting
  const kind = kindOf(setting)
  if (kind === 'words' && Array.isArray(value)) return value.join(', ')
  if (kind === 'json' || kind === 'words') return JSON.stringify(value, null, 1)
  return value
}

/** A field as the service takes it. Raises `SyntaxError` for what is no JSON. */
export function read(setting: Setting, field: unknown): unknown {
  const kind = kindOf(setting)
  if (kind === 'json') return JSON.parse(String(field)) as unknown
  if (kind !== 'words') return field
  return String(field)
    .split(',')
    .map((word) => word.trim())
    .filter(Boolean)
}
