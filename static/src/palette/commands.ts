/** What the palette can do: each part of the page adds its commands while it is on the screen. */
import { onScopeDispose, shallowReactive } from 'vue'

export const GROUPS = ['action', 'section', 'field', 'model', 'preset'] as const

export interface Command {
  id: string
  group: (typeof GROUPS)[number]
  title: string
  words?: string // further words that find it, AUTOMATIC1111's among them
  keys?: string // by which it is done without the palette
  run: () => void
}

type Source = () => Command[]
const sources = shallowReactive(new Set<Source>())

/** Add commands until the end of the scope; a source off the screen gives none. */
export function useCommands(source: Source) {
  sources.add(source)
  onScopeDispose(() => sources.delete(source))
}

export function listCommands(): Command[] {
  return [...sources].flatMap((source) => source())
}

/**
 * Commands that have every word of the search, the nearest first: a title that begins with it, one
 * with a word that does, one that holds it, then further words.
 */
export function searchCommands(commands: Command[], search: string, most = 50): Command[] {
  const asked = fold(search).split(' ').filter(Boolean)
  if (asked.length === 0) return commands.slice(0, most)
  return commands
    .map((command) => ({ command, rank: rankOf(command, asked) }))
    .filter(({ rank }) => rank > 0)
    .sort((one, other) => other.rank - one.rank)
    .slice(0, most)
    .map(({ command }) => command)
}

function rankOf({ title, words = '' }: Command, asked: string[]): number {
  const name = fold(title)
  const all = `${name} ${fold(words)}`
  if (!asked.every((word) => all.includes(word))) return 0
  const phrase = asked.join(' ')
  if (name === phrase) return 6
  if (name.startsWith(phrase)) return 5
  if (` ${name}`.includes(` ${asked[0]!}`)) return 4
  if (fold(words).split(' · ').includes(phrase)) return 3
  return asked.every((word) => name.includes(word)) ? 2 : 1
}

function fold(text: string): string {
  return text
    .toLowerCase()
    .replace(/[_.,\s]+/g, ' ')
    .trim()
}
