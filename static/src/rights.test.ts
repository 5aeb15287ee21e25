import { expect, test } from 'vitest'

import type { Session } from './api/sdapi'
import { rightsOf } from './rights'

test('each scope opens what the service lets it do', () => {
  const rights = (scope?: string) => Object.values(rightsOf({ scope } as Session))
  expect(rights('owner')).toEqual([true, true, true])
  expect(rights('user')).toEqual([true, true, false])
  expect(rights('generate')).toEqual([true, false, false])
  expect(rights('read')).toEqual([false, false, false])
  expect(rights()).toEqual([true, true, true]) // a service of before scopes
  expect(Object.values(rightsOf(null))).toEqual([true, true, true])
})
