import { expect, test } from 'vitest'

import tokens from './tokens.css?raw'

const GROUNDS = ['paper', 'wall', 'ground', 'wash', 'accent-wash']
const PROMPT = ['strong', 'schedule', 'choice', 'tag', 'variant'].map((kind) => `prompt-${kind}`)
const INKS = ['ink', 'ink-soft', 'ink-faint', ...PROMPT]
const LEAST = 4.5 // WCAG AA for text

function luminance(colour: string): number {
  const [red, green, blue] = [1, 3, 5]
    .map((at) => parseInt(colour.slice(at, at + 2), 16) / 255)
    .map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!
}

function contrast(one: string, other: string): number {
  const [dark, bright] = [luminance(one), luminance(other)].sort((a, b) => a - b)
  return (bright! + 0.05) / (dark! + 0.05)
}

test.each(['light', 'dark'])('every ink is read on every ground, %s', (theme) => {
  const [light, dark] = tokens.split('html.dark')
  const block = theme === 'dark' ? dark! : light!
  const colour = (name: string) => new RegExp(`--${name}: (#[0-9a-f]{6})`).exec(block)![1]!
  const pairs = INKS.flatMap((ink) => GROUNDS.map((ground) => [ink, ground] as const))
  const faint = pairs.filter(([ink, ground]) => contrast(colour(ink), colour(ground)) < LEAST)
  expect(faint).toEqual([])
})
