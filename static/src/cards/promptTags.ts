/** LoRA, embeddings and hypernetworks in a prompt. */
import type { Card } from '../models/api'
import { promptTag } from '../models/cardSearch'

export interface Prompts {
  prompt: string
  negative: string
}

/** Whether the prompt names the model. */
export function isInPrompt(card: Card, { prompt, negative }: Prompts): boolean {
  return nameIn(card).test(prompt) || (card.kind === 'embedding' && nameIn(card).test(negative))
}

/**
 * The prompts with the model, its words and what it does not want; without, if it is there already.
 * `into`: the prompt that an embedding goes into; all others go into the positive one.
 */
export function toggleInPrompt(card: Card, prompts: Prompts, into: keyof Prompts = 'prompt'): Prompts {
  if (isInPrompt(card, prompts)) return takeOut(card, prompts)
  if (card.kind !== 'embedding') return putIn(card, prompts)
  return { ...prompts, [into]: join(prompts[into], promptTag(card), ', ') }
}

function putIn(card: Card, { prompt, negative }: Prompts): Prompts {
  const unwanted = card.kind === 'lora' ? card.notes.negative.trim() : ''
  return {
    prompt: join(prompt, promptTag(card), ' '),
    negative: unwanted && !negative.includes(unwanted) ? join(negative, unwanted, ', ') : negative,
  }
}

/** The name goes, and the words that came with it where they still stand behind it. */
function takeOut(card: Card, prompts: Prompts): Prompts {
  const without = (text: string) =>
    tidy(text.includes(promptTag(card)) ? text.replace(promptTag(card), '') : text.replace(nameIn(card), ''))
  const unwanted = card.kind === 'lora' ? card.notes.negative.trim() : ''
  const negative = card.kind === 'embedding' ? without(prompts.negative) : prompts.negative
  return {
    prompt: without(prompts.prompt),
    negative: unwanted ? tidy(negative.replace(unwanted, '')) : negative,
  }
}

function nameIn({ kind, label }: Card): RegExp {
  const name = label.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  if (kind === 'embedding') return new RegExp(`(?<![\\w-])${name}(?![\\w-])`, 'i')
  return new RegExp(`<${kind === 'lora' ? '(?:lora|lyco)' : 'hypernet'}:${name}(?::[^<>]*)?>`)
}

const join = (text: string, more: string, between: string) =>
  text.trim() === '' ? more : `${text.trimEnd().replace(/,$/, '')}${between}${more}`

/** No comma twice in a row, none at the ends. */
const tidy = (text: string) =>
  text
    .replace(/ {2,}/g, ' ')
    .replace(/(\s*,\s*){2,}/g, ', ')
    .replace(/^[\s,]+|[\s,]+$/g, '')
