/** Prompt editing by keyboard: weights of words, order of items (contract section 8.6). */

export interface TextSelection {
  text: string
  start: number
  end: number
}

const DELIMITERS = '.,\\/!?%^*;:{}=`~() \r\n\t'
const STEP = 0.1 // of words; `<lora:x:1>` goes by half of it
const WEIGHTED = /^\(([\s\S]*):\s*(-?[\d.]+)\)$/

/** Ctrl+Up/Down: a weight; Alt+Left/Right: an item moves; null for another key. */
export function editByKey(now: TextSelection, event: KeyboardEvent): TextSelection | null {
  const { key, ctrlKey, metaKey, altKey } = event
  if ((ctrlKey || metaKey) && (key === 'ArrowUp' || key === 'ArrowDown')) {
    return changeWeight(now, key === 'ArrowUp' ? 1 : -1)
  }
  if (altKey && (key === 'ArrowLeft' || key === 'ArrowRight')) {
    return moveItem(now, key === 'ArrowLeft' ? -1 : 1)
  }
  return null
}

/** Change the weight at the selection by one step (Ctrl+Up, Ctrl+Down); `direction` is 1 or -1. */
export function changeWeight(given: TextSelection, direction: 1 | -1): TextSelection {
  const { text } = given
  const tag = findBrackets(text, given.start, '<', '>')
  if (tag) return changeTagWeight(text, tag, direction)
  const group = findBrackets(text, given.start, '(', ')')
  const [from, to] = group && given.end <= group[1] ? group : [given.start, given.end]
  if (group && from === group[0]) return changeGroupWeight(text, from, to, direction)
  const [start, end] = from === to ? findWord(text, from) : trimSpan(text, from, to)
  if (start === end) return given
  return replaceSpan(text, start, end, formatWeighted(text.slice(start, end), 1 + STEP * direction))
}

/** The innermost pair of brackets around an index, both included; null if there is none. */
function findBrackets(text: string, at: number, open: string, close: string): [number, number] | null {
  let depth = 0
  for (let left = at - 1; left >= 0; left--) {
    if (text[left - 1] === '\\') continue
    if (text[left] === close) depth++
    if (text[left] === open && depth-- === 0) {
      const right = findClosing(text, left, open, close)
      return right < 0 || right < at ? null : [left, right + 1]
    }
  }
  // The cursor may stand before the bracket, with the whole group selected.
  if (text[at] === open) {
    const right = findClosing(text, at, open, close)
    return right < 0 ? null : [at, right + 1]
  }
  return null
}

function findClosing(text: string, left: number, open: string, close: string): number {
  let depth = 0
  for (let at = left; at < text.length; at++) {
    if (text[at - 1] === '\\') continue
    if (text[at] === open) depth++
    if (text[at] === close && --depth === 0) return at
  }
  return -1
}

/** `((x))` is an old way of writing `(x:1.21)`; a group without a number weighs 1.1. */
function changeGroupWeight(text: string, from: number, to: number, direction: 1 | -1): TextSelection {
  let inner = text.slice(from, to)
  const match = WEIGHTED.exec(inner)
  if (match)
    return replaceSpan(text, from, to, formatWeighted(match[1]!, Number(match[2]) + STEP * direction))
  let weight = 1
  let [start, end] = [from, to]
  while (text[start - 1] === '(' && text[end] === ')') [start, end] = [start - 1, end + 1]
  inner = text.slice(start, end)
  while (inner.startsWith('(') && findClosing(inner, 0, '(', ')') === inner.length - 1) {
    inner = inner.slice(1, -1)
    weight *= 1.1
  }
  return replaceSpan(text, start, end, formatWeighted(inner, weight + STEP * direction))
}

/** The last number of `<lora:name:0.8>`, before any `key=value`; a tag without one weighs 1. */
function changeTagWeight(text: string, [from, to]: [number, number], direction: 1 | -1): TextSelection {
  const parts = text.slice(from + 1, to - 1).split(':')
  if (parts.length < 2) return { text, start: from, end: to }
  const named = parts.findIndex((part, place) => place > 1 && part.includes('='))
  const end = named < 0 ? parts.length : named
  const last = end > 2 ? Number(parts[end - 1]) : 1
  if (Number.isNaN(last)) return { text, start: from, end: to }
  parts.splice(Math.max(end - 1, 2), end > 2 ? 1 : 0, formatWeight(last + (STEP / 2) * direction))
  return replaceSpan(text, from, to, `<${parts.join(':')}>`)
}

function findWord(text: string, at: number): [number, number] {
  let [start, end] = [at, at]
  while (start > 0 && !DELIMITERS.includes(text[start - 1]!)) start--
  while (end < text.length && !DELIMITERS.includes(text[end]!)) end++
  return [start, end]
}

function trimSpan(text: string, start: number, end: number): [number, number] {
  while (start < end && /\s/.test(text[start]!)) start++
  while (end > start && /\s/.test(text[end - 1]!)) end--
  return [start, end]
}

function formatWeighted(inner: string, weight: number): string {
  return formatWeight(weight) === '1' ? inner : `(${inner}:${formatWeight(weight)})`
}

function formatWeight(weight: number): string {
  return String(Math.round(weight * 100) / 100)
}

function replaceSpan(text: string, start: number, end: number, part: string): TextSelection {
  return { text: text.slice(0, start) + part + text.slice(end), start, end: start + part.length }
}

/** Move the comma-separated item at the selection by one place (Alt+Left, Alt+Right). */
export function moveItem({ text, start, end }: TextSelection, direction: 1 | -1): TextSelection {
  const items = text.split(',')
  let [at, from] = [0, 0]
  while (at < items.length - 1 && start > from + items[at]!.length) from += items[at++]!.length + 1
  const next = at + direction
  if (next < 0 || next >= items.length) return { text, start, end }
  const [mine, other] = [items[at]!, items[next]!]
  // White space keeps its place; only the words are swapped.
  items[at] = withPaddingOf(other, mine)
  items[next] = withPaddingOf(mine, other)
  const ahead = items.slice(0, next).reduce((sum, item) => sum + item.length + 1, 0)
  const place = ahead + items[next]!.length - items[next]!.trimStart().length
  return { text: items.join(','), start: place, end: place + mine.trim().length }
}

function withPaddingOf(words: string, like: string): string {
  const left = like.slice(0, like.length - like.trimStart().length)
  const right = like.trim() === '' ? '' : like.slice(like.trimEnd().length)
  return left + words.trim() + right
}
