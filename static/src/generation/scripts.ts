/** How the controls of a script are drawn, and what they send (contract sections 1.8 and 9.6). */
import type { ScriptArgument, ScriptInfo } from '../api/sdapi'

/** Lists of which the service wants the place of the choice, not its words. */
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

/** What the script is sent when nothing has been changed. */
export function defaultsOf({ name, args }: ScriptInfo): unknown[] {
  const values = args.map((argument, at) => {
    if (!isSentByIndex(name, at)) return argument.value
    return Math.max(0, (argument.choices ?? []).indexOf(String(argument.value)))
  })
  if (name === XYZ) values[XYZ_TEXT] = true
  return values
}

/** True for a list whose choice is sent by its place. */
export function isSentByIndex(name: string, at: number): boolean {
  return SENT_BY_INDEX[name]?.includes(at) ?? false
}

/** Kept arguments while they still fit the script; else its defaults. */
export function reconcileArguments(script: ScriptInfo, kept: unknown[] | undefined): unknown[] {
  const defaults = defaultsOf(script)
  const isCompatible =
    kept?.length === defaults.length &&
    defaults.every((value, at) => value === null || typeof value === typeof kept[at])
  return isCompatible ? kept : defaults
}

/** The words of a hint without its markup, which a strict policy would complain of. */
export function stripMarkup(html: unknown): string {
  return String(html)
    .replace(/<[^>]*>/g, '')
    .trim()
}

/** Values of an axis as one text: those that hold a comma or a quote are quoted. */
export function joinValues(values: string[]): string {
  return values.map((v) => (/[,"]/.test(v) ? `"${v.replaceAll('"', '""')}"` : v)).join(', ')
}

/** The values that `joinValues` wrote. */
export function splitValues(text: string): string[] {
  const parts = text.match(/\s*("(?:[^"]|"")*"|[^,]*)(?:,|$)/g) ?? []
  return parts
    .map((part) => part.replace(/,$/, '').trim())
    .map((part) => (part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part))
    .filter(Boolean)
}
