import { expect, test } from 'vitest'
import { ref } from 'vue'

import { ApiError } from '../api/client'
import type { OptionFacts, OptionList } from './api'
import { fieldMatches } from './fieldMatches'
import { choiceLabel, KNOWN_OPTIONS, matches, sectionTitle, textOf } from './optionTexts'
import { faultOf, isSame, joinWords, optionAtFault, splitWords } from './optionValues'
import { quickNames } from './quickNames'
import { filterOptions, groupBySection, idleMatches, SET_HERE } from './sections'
import { useDraft } from './useDraft'

const option = (name: string, given: Partial<OptionFacts> = {}): OptionFacts => ({
  name,
  section: 'sd',
  kind: 'whole',
  value: 1,
  default: 1,
  own: false,
  enforced: false,
  least: 1,
  most: 12,
  choices: [],
  ...given,
})
const listOf = (...options: OptionFacts[]) => ref<OptionList | null>({ options, idle: [], quick: [] })

test('every option has a name and help in Chinese', () => {
  for (const name of KNOWN_OPTIONS) {
    const { label, help } = textOf(name, 'zh')
    expect(help, name).toMatch(/\p{Script=Han}/u)
    expect(label, name).not.toBe('')
  }
  expect(textOf('of_tomorrow', 'zh').label).toBe('of_tomorrow')
  expect(sectionTitle('upscaling', 'zh')).toBe('放大')
  expect([choiceLabel(null, 'en'), choiceLabel('Replace', 'zh'), choiceLabel('my.vae', 'zh')]).toEqual([
    'None',
    '替换',
    'my.vae',
  ])
})

test('an option is found by its key, its words of either language, and its help', () => {
  for (const query of ['CLIP_stop', 'clip skip', '跳过', 'anime', 'last layers'])
    expect(matches('CLIP_stop_at_last_layers', query, 'zh'), query).toBe(true)
  expect(matches('CLIP_stop_at_last_layers', '跳过', 'en')).toBe(false)
  expect(matches('CLIP_stop_at_last_layers', 'clip jpeg', 'en')).toBe(false)
})

test('numbers that do not fit are told before they are sent', () => {
  const clip = option('CLIP_stop_at_last_layers')
  expect(faultOf(clip, 12)).toBeNull()
  expect(faultOf(clip, 13)).toEqual({ key: 'field.range', values: { min: 1, max: 12 } })
  expect(faultOf(clip, 1.5)?.key).toBe('settings.noWhole')
  expect(faultOf(clip, undefined)?.key).toBe('settings.noNumber')
  expect(faultOf(option('eta', { kind: 'number', least: null, most: null }), -3.5)).toBeNull()
  expect(faultOf(option('words', { kind: 'text' }), 5)).toBeNull()
})

test('lists come back as they were typed', () => {
  expect(splitWords(' a, ,b ')).toEqual(['a', 'b'])
  expect(joinWords(['a', 'b'])).toBe('a, b')
  expect(isSame(['a'], splitWords('a'))).toBe(true)
})

test('a refusal names its option, by field or in its words', () => {
  const names = ['n_rows', 'jpeg_quality']
  const refused = (message: string, fields = {}) => optionAtFault(new ApiError(422, message, fields), names)
  expect(refused('The option jpeg_quality takes 1 to 100, not 300.')).toBe('jpeg_quality')
  expect(refused('', { n_rows: 'too many' })).toBe('n_rows')
  expect(refused('The disk is full.')).toBe('')
})

test('options are shown by section, by search, or because they are set', () => {
  const options = [
    option('tiling', { own: true }),
    option('jpeg_quality', { section: 'saving-images' }),
    option('sd_checkpoints_limit', { own: true, enforced: true }),
  ]
  const names = (section: string, query = '') =>
    filterOptions(options, section, query, 'en').map(({ name }) => name)
  expect(names('sd')).toEqual(['tiling', 'sd_checkpoints_limit'])
  expect(names(SET_HERE)).toEqual(['tiling'])
  expect(names('sd', 'jpeg')).toEqual(['jpeg_quality'])
  expect(groupBySection(options).map(({ section }) => section)).toEqual(['sd', 'saving-images'])
  expect(idleMatches(['keyedit_move', 'canvas_hotkey_move'], 'hotkey')).toEqual(['canvas_hotkey_move'])
  expect(idleMatches(['keyedit_move'], '')).toEqual([])
})

test('quick settings leave out what the form has', () => {
  const chosen = { quicksettings_list: ['sd_model_checkpoint', 'sd_vae'] }
  expect(quickNames(chosen)).toEqual(['sd_vae'])
  expect(quickNames({})).toEqual([])
})

test('a change that is taken back waits no longer, and a refusal stands at its option', () => {
  const clip = option('CLIP_stop_at_last_layers')
  const draft = useDraft(listOf(clip))
  draft.set(clip, 99)
  expect([draft.valueOf(clip), draft.faults.value.size]).toEqual([99, 1])
  draft.set(clip, 2)
  expect(draft.faults.value.size).toBe(0)
  draft.refuse(new ApiError(422, 'The option CLIP_stop_at_last_layers takes less.'), '')
  expect(draft.refusal.value.name).toBe('CLIP_stop_at_last_layers')
  draft.set(clip, 1)
  expect([draft.names.value, draft.refusal.value.name]).toEqual([[], ''])
  expect(() => draft.refuse(new TypeError('a slip'), '')).toThrow(TypeError)
})

test('a field of the form is found by the name that AUTOMATIC1111 has for it', () => {
  expect(fieldMatches('batch count', 'zh').map(({ name }) => name)).toEqual(['Batch count'])
  expect(fieldMatches('蒙版', 'zh').length).toBeGreaterThan(2)
  expect([fieldMatches('', 'en'), fieldMatches('蒙版', 'en')]).toEqual([[], []])
})
