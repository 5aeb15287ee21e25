/** Which cards a search finds. */
import type { Card } from './api'

/** Whether every word of `search` stands in a card's names, base or trigger words. */
export function matches(card: Card, search: string): boolean {
  const text = [card.name, card.label, card.title, card.base, card.hash ?? '', ...card.words]
    .join('\n')
    .toLowerCase()
  return search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word))
}

/** What a file is, as the service says it ("a LoRA"), for a sentence of any language. */
export function withoutArticle(found: string): string {
  return found.replace(/^an? /, '')
}

/** What a prompt names the model by; empty for what no prompt names. */
export function promptTag(card: Card): string {
  const weight = card.notes.weight || 1
  const words = card.notes.words || card.words.join(', ')
  if (card.kind === 'lora') return [`<lora:${card.label}:${weight}>`, words].filter(Boolean).join(' ')
  if (card.kind === 'hypernetwork') return `<hypernet:${card.label}:${weight}>`
  return card.kind === 'embedding' ? card.label : ''
}
