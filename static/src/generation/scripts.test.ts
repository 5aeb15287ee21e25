import { expect, test } from 'vitest'

import type { ScriptArgument } from '../api/sdapi'
import { defaultsOf, reconcileArguments, kindOf, joinValues, splitValues } from './scripts'

const argument = (
  label: string | null,
  value: unknown,
  more: Partial<ScriptArgument> = {},
): ScriptArgument => ({
  label,
  value,
  minimum: null,
  maximum: null,
  step: null,
  choices: null,
  ...more,
})
const script = (name: string, args: ScriptArgument[]) => ({
  name,
  args,
  is_alwayson: false,
  is_img2img: true,
})

test('each argument gets the control that its value asks for', () => {
  expect(kindOf(argument('Loops', 4, { minimum: 1, maximum: 32 }))).toBe('slider')
  expect(kindOf(argument('Curve', 'Linear', { choices: ['Linear', 'Lazy'] }))).toBe('choice')
  expect(kindOf(argument('Directions', ['left'], { choices: ['left', 'up'] }))).toBe('choices')
  expect(kindOf(argument(null, '<p>Use 80 steps</p>'))).toBe('hint')
  expect(kindOf(argument('X values', null, { choices: [] }))).toBe('nothing')
})

test('lists that the service knows by place are sent so', () => {
  const args = [
    argument('Pixels', 128),
    argument('Blur', 4),
    argument('Content', 'b', { choices: ['a', 'b'] }),
  ]
  expect(defaultsOf(script("poor man's outpainting", args))).toEqual([128, 4, 1])
  expect(defaultsOf(script('sd upscale', args))).toEqual([128, 4, 'b'])
})

test('kept arguments of another make of the script are dropped', () => {
  const loops = script('loopback', [argument('Loops', 4)])
  expect(reconcileArguments(loops, [7])).toEqual([7])
  expect(reconcileArguments(loops, ['7'])).toEqual([4])
  expect(reconcileArguments(loops, [7, 8])).toEqual([4])
})

test('values with commas survive as one text', () => {
  const values = ['Euler', 'a, b', 'say "x"']
  expect(joinValues(values)).toBe('Euler, "a, b", "say ""x"""')
  expect(splitValues(joinValues(values))).toEqual(values)
})
