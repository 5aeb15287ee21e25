import { effectScope } from 'vue'
import { expect, test } from 'vitest'

import { listCommands, searchCommands, useCommands, type Command } from './commands'

const command = (title: string, words = ''): Command => ({
  id: title,
  group: 'field',
  title,
  words,
  run: () => undefined,
})
const titles = (search: string) => searchCommands(FIELDS, search).map(({ title }) => title)
const FIELDS = [
  command('Pictures', 'Batch count'),
  command('Steps', 'Sampling steps'),
  command('Hires steps', 'Hires steps'),
  command('What lies there at first', 'Masked content'),
  command('重绘幅度', 'Denoising strength'),
]

test('a field is found by its name and by the word that AUTOMATIC1111 has for it', () => {
  expect(titles('masked content')).toEqual(['What lies there at first'])
  expect(titles('BATCH')).toEqual(['Pictures'])
  expect(titles('denoising')).toEqual(['重绘幅度'])
  expect(titles('幅度')).toEqual(['重绘幅度'])
  expect(titles('nothing of it')).toEqual([])
})

test('the nearest comes first', () => {
  expect(titles('steps')).toEqual(['Steps', 'Hires steps'])
  expect(titles('hires st')).toEqual(['Hires steps'])
  expect(titles('')).toHaveLength(FIELDS.length)
  expect(searchCommands(FIELDS, '', 2)).toHaveLength(2)
})

test('a part of the page gives commands until it goes', () => {
  const scope = effectScope()
  scope.run(() => useCommands(() => FIELDS))
  expect(listCommands()).toHaveLength(FIELDS.length)
  scope.stop()
  expect(listCommands()).toEqual([])
})
