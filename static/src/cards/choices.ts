/** What a picker of models offers: what a field takes, each with the card of its model. */
import type { Card, Kind } from '../models/api'
import { matches } from '../models/cardSearch'

/** A value that a field takes, as a select would list it. */
export interface Option {
  value: string | null
  label: string
  name?: string // the model's, where it is neither value nor label
}

export interface Choice {
  key: string // tells it from all others of the picker
  value: string | null
  label: string
  kind: Kind
  card: Card | null // of a fixed value such as "None", and until cards have come: null
}

export const ORDERS = ['name', 'used', 'changed'] as const
export type Order = (typeof ORDERS)[number]

/** When models were chosen last, in milliseconds since 1970, by kind and name. */
export type Uses = Partial<Record<string, Record<string, number>>>

export const TOP = '/' // what lies in no folder

/** A name as lists of the service tell it, without its hash: `v1.safetensors [3346f3a1dd]`. */
export function withoutHash(name: string): string {
  return name.replace(/ \[[0-9a-f]{8,10}\]$/, '')
}

/** The options, each with its card. The first card wins where several fit. */
export function joinCards(kind: Kind, options: readonly Option[], cards: readonly Card[]): Choice[] {
  const known = new Map<string, Card>()
  for (const card of [...cards].reverse()) for (const name of namesOf(card)) known.set(name, card)
  return options.map(({ value, label, name }) => ({
    key: `${kind} ${value ?? '\0'}`,
    value,
    label,
    kind,
    card: known.get(withoutHash(name ?? value ?? '\0')) ?? null,
  }))
}

/** Every card as a choice, for prompts. */
export function cardChoices(kind: Kind, cards: readonly Card[]): Choice[] {
  return cards.map((card) => ({
    key: `${kind} ${card.name}`,
    value: card.name,
    label: card.label,
    kind,
    card,
  }))
}

/** The names by which lists call a model, the longest last: its own path must win. */
function namesOf({ name, label }: Card): string[] {
  const parts = name.split('/')
  return [label, ...parts.slice(0, -1).reverse(), parts.at(-1)!, name]
}

/** The folders of the cards, sorted; empty where all lie at the top. */
export function foldersOf(choices: readonly Choice[]): string[] {
  const folders = new Set(choices.flatMap(({ card }) => (card ? [folderOf(card)] : [])))
  const named = [...folders].filter((folder) => folder !== TOP)
  if (named.length === 0) return []
  return [...(folders.has(TOP) ? [TOP] : []), ...named.sort(byName)]
}

function folderOf(card: Card): string {
  const end = card.name.lastIndexOf('/')
  return end < 0 ? TOP : card.name.slice(0, end)
}

/** What a search finds in a folder ("": in all); fixed values only without a folder. */
export function findChoices(choices: readonly Choice[], search: string, folder: string): Choice[] {
  return choices.filter(
    ({ card, label }) =>
      (folder === '' || (card && isIn(folderOf(card), folder))) &&
      (card ? matches(card, search) : label.toLowerCase().includes(search.trim().toLowerCase())),
  )
}

const isIn = (folder: string, wanted: string) =>
  folder === wanted || (wanted !== TOP && folder.startsWith(`${wanted}/`))

/** The choices in an order; fixed values stay in front. */
export function sortChoices(choices: readonly Choice[], order: Order, uses: Uses = {}): Choice[] {
  const rank = ({ card, kind }: Choice) =>
    !card ? Infinity : order === 'changed' ? card.changed : (uses[kind]?.[card.name] ?? 0)
  if (order === 'name') return [...choices] // as the service sorts them
  return [...choices].sort((a, b) => (rank(a) === rank(b) ? 0 : rank(b) - rank(a)))
}

/** The uses with one more; the oldest beyond `most` of a kind are forgotten. */
export function withUse(uses: Uses, kind: Kind, name: string, now: number, most = 500): Uses {
  const all = Object.entries({ ...uses[kind], [name]: now }).sort(([, a], [, b]) => b - a)
  return { ...uses, [kind]: Object.fromEntries(all.slice(0, most)) }
}

const byName = (a: string, b: string) => a.localeCompare(b, undefined, { numeric: true })
