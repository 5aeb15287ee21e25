import { expect, test } from 'vitest'

import { summarizeLeftOut } from './results'

const result = { path: '/data/a.zip', to: '/data/a', status: 'done' as const }

test('what an archive held and did not bring is named with its reason', () => {
  const left_out = [{ name: 'a:b.txt', reason: 'name' as const }]
  const summary = summarizeLeftOut(
    [{ ...result, left_out, left_out_count: 3 }, result],
    (reason) => `<${reason}>`,
  )
  expect(summary).toEqual({ count: 3, names: 'a:b.txt (<name>), …' })
  expect(summarizeLeftOut([result], String)).toEqual({ count: 0, names: '' })
})
