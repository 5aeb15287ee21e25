import { expect, test } from 'vitest'

import { findEditMarks } from './editMarks'
import { readEmphasis } from './emphasis'
import cases from './promptCases.json'
import { findUnbalancedBrackets, tokenize, type TokenKind } from './tokens'

/** Runs beside each other of one weight are one. */
function merged(text: string): [string, number][] {
  const runs: [string, number][] = []
  for (const run of readEmphasis(text).runs) {
    const last = runs.at(-1)
    if (last?.[1] === run.weight) last[0] += run.text
    else runs.push([run.text, run.weight])
  }
  return runs
}

const words = (text: string, kind: TokenKind) =>
  tokenize(text)
    .filter((token) => token.kind === kind)
    .map(({ from, to }) => text.slice(from, to))

test.each(cases.segments)('$text weighs as the service reads it', ({ text, runs }) => {
  const found = merged(text)
  expect(found.map(([words]) => words)).toEqual(runs.map(([words]) => words))
  runs.forEach(([, weight], at) => expect(found[at]![1]).toBeCloseTo(weight as number, 5))
})

test.each(cases.edits)('$text changes as the service reads it', ({ text, whens, choices }) => {
  const marks = findEditMarks(text)
  const numbers = marks.filter(({ length }) => length > 1)
  expect(
    numbers.map(({ at, length }) =>
      text
        .slice(at, at + length)
        .replace(']', '')
        .trim(),
    ),
  ).toEqual(whens)
  const opening = marks.filter(({ at, kind }) => kind === 'choice' && text[at] === '[')
  expect(opening).toHaveLength(choices)
})

test.each(cases.tags)('$text has the tags that the service reads', ({ text, tags }) => {
  expect(words(text, 'tag').map((tag) => tag.slice(1, -1).split(':'))).toEqual(tags)
})

test('each piece has its kind', () => {
  expect(words('a (b:1.2) [c]', 'strong')).toEqual(['b'])
  expect(words('a (b:1.2) [c] (d:0.4)', 'weak')).toEqual(['c', 'd'])
  expect(words('a (b:1.2) \\(c\\)', 'mark')).toEqual(['(', ':1.2', ')', '\\(', '\\)'])
  expect(words('[a:b:0.5]', 'schedule')).toEqual(['[', ':', ':', '0.5]'])
  expect(words('[a|b]', 'choice')).toEqual(['[', '|', ']'])
  expect(words('a BREAK b AND c, BREAKFAST, 猫BREAK', 'word')).toEqual(['BREAK', 'AND'])
  expect(words('a {2$$red|0.5::blue} __animals/*__', 'variant')).toEqual([
    '{',
    '2$$',
    '|',
    '0.5::',
    '}',
    '__animals/*__',
  ])
  expect(words('a {b', 'variant')).toEqual([])
  expect(words('a # not this (b:1.2)\nc', 'comment')).toEqual(['# not this (b:1.2)'])
  expect(words('a # not this (b:1.2)\nc', 'strong')).toEqual([])
})

test('what is inside a tag or a choice is not taken for emphasis', () => {
  expect(words('<lora:a(b):1> (c)', 'strong')).toEqual(['c'])
  expect(words('{a|b} [c|d]', 'choice')).toEqual(['[', '|', ']'])
})

test('brackets without a partner are found where they stand', () => {
  expect(findUnbalancedBrackets('(a [b:c:0.5] \\( {prompt})')).toEqual([])
  expect(findUnbalancedBrackets('(a (b)')).toEqual([{ at: 0, bracket: '(' }])
  expect(findUnbalancedBrackets('a) [b')).toEqual([
    { at: 1, bracket: ')' },
    { at: 3, bracket: '[' },
  ])
  expect(words('a)', 'unbalanced')).toEqual([')'])
})

test('a long or odd text is read in no time and never fails', () => {
  expect(() => tokenize('([{<:'.repeat(8000))).not.toThrow()
  expect(tokenize('')).toEqual([])
})
