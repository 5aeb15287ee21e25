/** Controls of scripts: their kinds, defaults and values as sent (contract sections 1.8 and 9.6). */
import type { ScriptArgument, ScriptInfo } from '../api/sdapi'

/** Arguments that are sent as the index of the choice, by script. */
const SENT_BY_INDEX: Record<string, readonly number[]> = {
  'x/y/z plot': [0, 3, 6],
  "poor man's outpainting": [2],
}
export const XYZ = 'x/y/z plot'
export const XYZ_AXES = [0, 3, 6] as const
export const XYZ_TEXT = 17 // "use text inputs instead of dropdowns": what we send is text

export type ControlKind = 'hint' | 'nothing' | 'switch' | 'choice' | 'choices' | 'slider' | 'number' | 'text'

export function kindOf(argument: ScriptArgument): ControlKind {
  const { value, choices, minimum, maximum, label } = argument
  if (choices && choices.length > 0) return Array.isArray(value) ? 'choices' : 'choice'
  if (typeof value === 'boolean') return 'switch'
  if (typeof value === 'number') return minimum !== null && maximum !== null ? 'slider' : 'number'
  if (typeof value === 'string') return label ? 'text' : 'hint'
  return 'nothing'
}

/** A script's default arguments. */
export function defaultsOf({ name, args }: ScriptInfo): unknown[] {
  const values = args.map((argument, at) => {
    if (!isSentByIndex(name, at)) return argument.value
    return Math.max(0, (argument.choices ?? []).indexOf(String(argument.value)))
  })
  if (name === XYZ) values[XYZ_TEXT] = true
  const cells = args.findIndex(({ label }) => label === 'Include Sub Images')
  if (name === XYZ && cells >= 0) values[cells] = true // the page shows them as a grid
  return values
}

/** Whether an argument is sent as the index of its choice. */
export function isSentByIndex(name: string, at: number): boolean {
  return SENT_BY_INDEX[name]?.includes(at) ?? false
}

/** Stored arguments if they still fit the script, else its defaults. */
export function reconcileArguments(script: ScriptInfo, kept: unknown[] | undefined): unknown[] {
  const defaults = defaultsOf(script)
  const isCompatible =
    kept?.length === defaults.length &&
    defaults.every((value, at) => value === null || typeof value === typeof kept[at])
  return isCompatible ? kept : defaults
}

/** A hint's text without markup, which a strict Content-Security-Policy forbids. */
export function stripMarkup(html: unknown): string {
  return String(html)
    .replace(/<[^>]*>/g, '')
    .trim()
}

/** Join an axis' values with commas; values with commas or quotes are quoted. */
export function joinValues(values: string[]): string {
  return values.map((v) => (/[,"]/.test(v) ? `"${v.replaceAll('"', '""')}"` : v)).join(', ')
}

/** The inverse of `joinValues`. */
export function splitValues(text: string): string[] {
  const parts = text.match(/\s*("(?:[^"]|"")*"|[^,]*)(?:,|$)/g) ?? []
  return parts
    .map((part) => part.replace(/,$/, '').trim())
    .map((part) => (part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part))
    .filter(Boolean)
}
