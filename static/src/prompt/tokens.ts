/**
 * What each piece of a prompt is, for its colours: pure, and agreed with the service's grammar on the
 * table in promptCases.json, which tests/generator/prompt reads as well.
 */
import { findEditMarks } from './editMarks'
import { readEmphasis } from './emphasis'

export type TokenKind =
  | 'strong' // words that weigh more than 1
  | 'weak' // and less
  | 'mark' // brackets and numbers of emphasis, escapes
  | 'schedule' // [a:b:0.5]
  | 'choice' // [a|b]
  | 'word' // BREAK and AND
  | 'tag' // <lora:name:1>
  | 'variant' // {a|b} and __wildcard__ of dynamic prompts
  | 'comment'
  | 'unbalanced'

export interface Token {
  from: number
  to: number
  kind: TokenKind
}

const MAX_LENGTH = 8000 // characters that are coloured; what follows is plain
const TAG = /<(\w+):[^>]+>/g
const COMMENT = /#[^\n]*/g
const WORD = /(?<![\p{L}\p{N}_])(?:BREAK|AND)(?![\p{L}\p{N}_])/gu
const WILDCARD = /__[^\s,{}|<>()[\]]+?__/g
const VARIANT_MARK = /\\[\s\S]|[{}|]|(?<=[{|])\s*[\d.]+(?:::|(?:-\d+)?\$\$)/g
const HIDDEN = '\uE000' // in place of what the grammar of emphasis does not see

/** Tokens in order of their places. Those of emphasis may enclose others. */
export function tokenize(given: string): Token[] {
  const text = given.slice(0, MAX_LENGTH)
  const tokens: Token[] = []
  let seen = text
  function take(from: number, to: number, kind: TokenKind) {
    tokens.push({ from, to, kind })
    seen = hide(seen, from, to)
  }
  for (const match of seen.matchAll(COMMENT)) take(match.index, match.index + match[0].length, 'comment')
  for (const match of seen.matchAll(TAG)) take(match.index, match.index + match[0].length, 'tag')
  for (const match of seen.matchAll(WILDCARD)) take(match.index, match.index + match[0].length, 'variant')
  for (const [from, to] of variantMarks(seen)) take(from, to, 'variant')
  for (const { at, length, kind } of findEditMarks(seen)) take(at, at + length, kind)
  for (const match of seen.matchAll(WORD)) {
    tokens.push({ from: match.index, to: match.index + match[0].length, kind: 'word' })
  }
  const { runs, marks } = readEmphasis(seen)
  for (const { from, to } of marks) tokens.push({ from, to, kind: 'mark' })
  for (const { from, to, weight } of runs) {
    if (isMore(weight)) tokens.push({ from, to, kind: 'strong' })
    else if (isMore(1 / weight)) tokens.push({ from, to, kind: 'weak' })
  }
  for (const { at } of findUnbalancedBrackets(text)) tokens.push({ from: at, to: at + 1, kind: 'unbalanced' })
  return tokens.sort((one, other) => one.from - other.from || other.to - one.to)
}

function isMore(weight: number): boolean {
  return weight > 1.0001
}

function hide(text: string, from: number, to: number): string {
  return text.slice(0, from) + HIDDEN.repeat(to - from) + text.slice(to)
}

/** Braces, bars and counts of `{2$$a|b}`; only those of closed braces. */
function variantMarks(text: string): [number, number][] {
  const open: [number, number][][] = []
  const found: [number, number][] = []
  for (const match of text.matchAll(VARIANT_MARK)) {
    const span: [number, number] = [match.index, match.index + match[0].length]
    if (match[0] === '{') open.push([span])
    else if (match[0] === '}') {
      const marks = open.pop()
      if (marks) found.push(...marks, span)
    } else if (match[0][0] !== '\\') open.at(-1)?.push(span)
  }
  return found
}

/** Brackets without a partner, escaped ones aside. */
export function findUnbalancedBrackets(text: string): { at: number; bracket: string }[] {
  const partners: Record<string, string> = { ')': '(', ']': '[', '}': '{' }
  const waiting: { at: number; bracket: string }[] = []
  const alone: { at: number; bracket: string }[] = []
  for (const match of text.matchAll(/\\.|([()[\]{}])/g)) {
    const bracket = match[1]
    if (!bracket) continue
    const entry = { at: match.index, bracket }
    if (!(bracket in partners)) waiting.push(entry)
    else if (waiting.at(-1)?.bracket === partners[bracket]) waiting.pop()
    else alone.push(entry)
  }
  return [...alone, ...waiting].sort((one, other) => one.at - other.at)
}
