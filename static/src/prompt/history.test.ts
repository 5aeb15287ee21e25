import { expect, test } from 'vitest'

import { searchPrompts, usePromptHistory, withPrompt, type PastPrompt } from './history'

function memory(): Storage {
  const kept = new Map<string, string>()
  return {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, text: string) => void kept.set(key, text),
    removeItem: (key: string) => void kept.delete(key),
  } as unknown as Storage
}

const past = (prompt: string, negative = '', at = 0): PastPrompt => ({ prompt, negative, at })

test('the newest comes first, a repeated one moves up, and 200 are kept', () => {
  expect(withPrompt([past('a'), past('b')], past('b', '', 5))).toEqual([past('b', '', 5), past('a')])
  expect(withPrompt([past('a')], past('a', 'dog'))).toHaveLength(2)
  const many = Array.from({ length: 250 }, (_, at) => past(String(at)))
  expect(withPrompt(many, past('new'))).toHaveLength(200)
  const long = Array.from({ length: 50 }, (_, at) => past(String(at).padEnd(40_000)))
  expect(withPrompt(long, past('new'))).toHaveLength(25)
})

test('windows of one browser add to the same history', () => {
  const storage = memory()
  const [one, other] = [usePromptHistory(storage), usePromptHistory(storage)]
  one.add('a cat', '')
  other.add('a dog', 'cat')
  one.add('  ', '')
  one.load()
  expect(one.entries.value.map(({ prompt }) => prompt)).toEqual(['a dog', 'a cat'])
  one.clear()
  other.load()
  expect(other.entries.value).toEqual([])
})

test('what is damaged in the storage is left out', () => {
  const storage = memory()
  storage.setItem('easel.prompts', '[{"prompt": "a", "negative": "", "at": 1}, null, {"prompt": 1}]')
  const { entries, load } = usePromptHistory(storage)
  load()
  expect(entries.value).toEqual([past('a', '', 1)])
  storage.setItem('easel.prompts', '{')
  load()
  expect(entries.value).toEqual([])
})

test('a search finds all of its words in either prompt', () => {
  const entries = [past('a Red house'), past('a boat', 'red'), past('猫')]
  expect(searchPrompts(entries, 'RED')).toHaveLength(2)
  expect(searchPrompts(entries, 'house red')).toEqual([entries[0]])
  expect(searchPrompts(entries, '猫')).toEqual([entries[2]])
  expect(searchPrompts(entries, ' ')).toHaveLength(3)
})
