import { expect, test, vi } from 'vitest'

import { toApiError, get, loginNeeded, onLoggedIn } from './client'

test('a list of fields is told by field', () => {
  const detail = [
    { loc: ['body', 'steps'], msg: 'at most 150', type: 'x' },
    { loc: ['body', 'steps'], msg: 'whole numbers only', type: 'x' },
    { loc: ['body', 'override_settings', 'sd_model_checkpoint'], msg: 'not there', type: 'x' },
  ]
  expect(toApiError(422, { detail }).fields).toEqual({
    steps: 'at most 150 whole numbers only',
    sd_model_checkpoint: 'not there',
  })
})

test('the envelope tells its sentence, whichever of its keys holds it', () => {
  expect(toApiError(500, { error: 'X', detail: '', body: '', errors: 'disk full' }).message).toBe('disk full')
  expect(toApiError(401, { error: 'X', detail: 'Not authenticated', errors: '' }).message).toBe(
    'Not authenticated',
  )
  expect(toApiError(502, null).message).toBe('')
})

test('a refusal of what was asked before the login sends nobody back to it', async () => {
  vi.stubGlobal('document', { baseURI: 'http://easel/' })
  const refused = () => new Response('{"detail": "Not authenticated"}', { status: 401 })
  let answer: (response: Response) => void = () => undefined
  vi.stubGlobal('fetch', () => new Promise<Response>((resolve) => (answer = resolve)))

  const early = get('late')
  onLoggedIn()
  answer(refused())
  await expect(early).rejects.toMatchObject({ status: 401 })
  expect(loginNeeded.value).toBe(false)

  const later = get('expired')
  answer(refused())
  await expect(later).rejects.toMatchObject({ status: 401 })
  expect(loginNeeded.value).toBe(true)
  vi.unstubAllGlobals()
})
