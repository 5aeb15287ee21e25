import { expect, test } from 'vitest'

import { moveItem, changeWeight, editByKey } from './attention'

/** `|` marks the cursor, or both ends of the selection. */
function read(marked: string) {
  const start = marked.indexOf('|')
  const end = marked.lastIndexOf('|')
  return { text: marked.replaceAll('|', ''), start, end: end > start ? end - 1 : start }
}

test.each([
  ['a re|d house', 1, 'a (red:1.1) house'],
  ['a |red house|, b', 1, 'a (red house:1.1), b'],
  ['a |red house |b', -1, 'a (red house:0.9) b'],
  ['a (re|d:1.1) house', 1, 'a (red:1.2) house'],
  ['a |(red:1.2)| house', 1, 'a (red:1.3) house'],
  ['a (re|d:1.1) house', -1, 'a red house'],
  ['a (re|d:0.9) house', 1, 'a red house'],
  ['a ((re|d)) house', 1, 'a (red:1.31) house'],
  ['<lora:na|me:0.8> x', 1, '<lora:name:0.85> x'],
  ['<lora:na|me> x', -1, '<lora:name:0.95> x'],
  ['<lora:na|me:1:0.8:lbw=OUTALL> x', 1, '<lora:name:1:0.85:lbw=OUTALL> x'],
  ['<lora:na|me:lbw=1,0> x', -1, '<lora:name:0.95:lbw=1,0> x'],
  ['a , | b', 1, 'a ,  b'],
  ['(a b), c|at', 1, '(a b), (cat:1.1)'],
  ['\\(a c|at\\)', 1, '\\(a (cat:1.1)\\)'],
])('%s by %i is %s', (marked, direction, text) => {
  expect(changeWeight(read(marked), direction as 1 | -1).text).toBe(text)
})

test('what was weighted stays selected, so that the key can be pressed again', () => {
  const once = changeWeight(read('a |red house|'), 1)
  expect(changeWeight(once, 1).text).toBe('a (red house:1.2)')
  expect(changeWeight(changeWeight(once, 1), -1).text).toBe('a (red house:1.1)')
})

test('items between commas change places', () => {
  expect(moveItem(read('a cat, re|d, blue'), 1).text).toBe('a cat, blue, red')
  expect(moveItem(read('a cat, re|d, blue'), -1).text).toBe('red, a cat, blue')
  expect(moveItem(read('a c|at'), 1).text).toBe('a cat')
})

test('keys change weights and order, and others nothing', () => {
  const key = (name: string, held: object) => ({ key: name, ...held }) as KeyboardEvent
  const now = read('a re|d, b')
  expect(editByKey(now, key('ArrowUp', { ctrlKey: true }))?.text).toBe('a (red:1.1), b')
  expect(editByKey(now, key('ArrowDown', { metaKey: true }))?.text).toBe('a (red:0.9), b')
  expect(editByKey(now, key('ArrowRight', { altKey: true }))?.text).toBe('b, a red')
  expect(editByKey(now, key('ArrowUp', {}))).toBeNull()
})
