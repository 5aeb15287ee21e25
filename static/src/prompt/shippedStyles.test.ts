import { expect, test } from 'vitest'

import { applyStyles } from '../generation/styles'
import { parseStyles, SHIPPED_STYLES } from './shippedStyles'

test('a dozen styles come along, each of which takes the prompt in', () => {
  expect(SHIPPED_STYLES).toHaveLength(12)
  expect(new Set(SHIPPED_STYLES.map(({ name }) => name)).size).toBe(12)
  for (const style of SHIPPED_STYLES) {
    const { prompt, negative } = applyStyles({ prompt: 'a cat', negative: '' }, [style])
    expect(prompt).toContain('of a cat, ')
    expect(negative).not.toBe('')
  }
})

test('cells may be quoted, and quotes be in them', () => {
  expect(parseStyles('name,prompt,negative_prompt\nplain,a b,\n"a, b","say ""c""","d, e"\n')).toEqual([
    { name: 'plain', prompt: 'a b', negative_prompt: '' },
    { name: 'a, b', prompt: 'say "c"', negative_prompt: 'd, e' },
  ])
})
