import { expect, test } from 'vitest'

import { useConflictDialog } from './useConflictDialog'

test('a question is open until it is answered', async () => {
  const { question, askAboutConflict } = useConflictDialog()
  const answer = askAboutConflict(['a.png'])
  expect(question.value?.names).toEqual(['a.png'])
  question.value?.resolve('overwrite')
  expect(await answer).toBe('overwrite')
  expect(question.value).toBeNull()
})

test('a second question ends the first with nothing', async () => {
  const { question, askAboutConflict } = useConflictDialog()
  const first = askAboutConflict(['a'])
  const second = askAboutConflict(['b'])
  expect(await first).toBeNull()
  question.value?.resolve('skip')
  expect(await second).toBe('skip')
})
