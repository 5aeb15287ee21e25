import { expect, test } from 'vitest'

import type { Input, Part, Plugin } from './api'
import { fileOf, reconcileValues, partsOf, collectPanelValues, type PagePart } from './pluginParts'

const field = (given: Partial<Input>): Input => ({
  name: 'word',
  label: 'Word',
  kind: 'text',
  value: '',
  choices: [],
  least: null,
  most: null,
  step: null,
  ...given,
})
const SWITCH = field({ name: 'enabled', kind: 'switch', value: false })
const AMOUNT = field({ name: 'amount', kind: 'number', value: 3, least: 0, most: 10 })
const WAY = field({ name: 'way', kind: 'choice', value: 'a', choices: ['a', 'b'] })

function plugin(name: string, form: Input[], given: Partial<Plugin> = {}, part: Partial<Part> = {}): Plugin {
  return {
    name,
    title: name,
    version: '1',
    licence: 'MIT',
    description: '',
    origin: 'folder',
    state: 'on',
    fault: '',
    enabled: true,
    hooks: [],
    permissions: [],
    seconds: 0,
    strikes: 0,
    last_error: '',
    settings: [],
    workers: [],
    parts: [{ slot: 'panel', title: name, module: '', form, icon: '', ...part }],
    ...given,
  }
}
const panels = (...plugins: Plugin[]): PagePart[] => partsOf(plugins, 'panel')

test('only plugins that are on have parts', () => {
  const off = plugin('off', [], { state: 'off' })
  expect(panels(plugin('one', []), off, plugin('two', [])).map(({ key }) => key)).toEqual(['one/0', 'two/0'])
  expect(partsOf([plugin('one', [])], 'tab')).toEqual([])
})

test('a form is sent as it stands, and not at all while its switch is off', () => {
  const both = panels(plugin('plain', [AMOUNT, WAY]), plugin('switched', [SWITCH, AMOUNT]))
  expect(collectPanelValues(both, {}, {})).toEqual({ plain: { amount: 3, way: 'a' } })
  const kept = { plain: { way: 'b' }, switched: { enabled: true, amount: 7 }, gone: { x: 1 } }
  expect(collectPanelValues(both, kept, {})).toEqual({
    plain: { amount: 3, way: 'b' },
    switched: { enabled: true, amount: 7 },
  })
})

test('a module sends what it gave', () => {
  const own = panels(plugin('own', [], {}, { module: 'panel.js' }))
  expect(collectPanelValues(own, {}, {})).toEqual({})
  expect(collectPanelValues(own, {}, { own: { mask: [1, 2] }, other: { x: 1 } })).toEqual({
    own: { mask: [1, 2] },
  })
})

test('what was kept and fits no longer gives way to the default', () => {
  const form = [AMOUNT, WAY, SWITCH, field({})]
  const stale = { amount: 99, way: 'c', enabled: 'yes', word: 5 }
  expect(reconcileValues(form, stale)).toEqual({ amount: 3, way: 'a', enabled: false, word: '' })
})

test('a name cannot lead out of the files of its plugin', () => {
  expect(fileOf('a/../b', 'deep/tab.js?x#y')).toBe('plugins/a%2F..%2Fb/static/deep/tab.js%3Fx%23y')
})
