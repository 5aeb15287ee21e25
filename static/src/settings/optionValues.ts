/** Values of options: whether they fit, whether they are the same, and lists as they are typed. */
import type { ApiError } from '../api/client'
import type { OptionFacts } from './api'

/** A key of `locales/` and what its sentence needs. */
export interface Fault {
  key: string
  values: Record<string, unknown>
}

const LONGEST_WHOLE = Number.MAX_SAFE_INTEGER

/** What does not fit, before it is sent; null where nothing is seen, though the service may. */
export function faultOf({ kind, least, most }: OptionFacts, value: unknown): Fault | null {
  if (kind !== 'whole' && kind !== 'number') return null
  if (typeof value !== 'number' || Number.isNaN(value)) return { key: 'settings.noNumber', values: {} }
  if (kind === 'whole' && (!Number.isInteger(value) || Math.abs(value) > LONGEST_WHOLE))
    return { key: 'settings.noWhole', values: {} }
  if (least !== null && most !== null && (value < least || value > most))
    return { key: 'field.range', values: { min: least, max: most } }
  return null
}

/** Values come from JSON. */
export const isSame = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other)

export const joinWords = (value: unknown): string => (Array.isArray(value) ? value.join(', ') : '')

export const splitWords = (typed: string): string[] =>
  typed
    .split(',')
    .map((word) => word.trim())
    .filter(Boolean)

/** The option that a refusal is about, "" where it does not say. */
export function optionAtFault({ fields, message }: ApiError, names: readonly string[]): string {
  const told = Object.keys(fields).find((field) => names.includes(field))
  return told ?? names.find((name) => new RegExp(`\\b${name}\\b`).test(message)) ?? ''
}
