import { afterEach, expect, test, vi } from 'vitest'

import { loginNeeded } from '../api/client'
import { pendingTransfer, currentTab, takeTransfer } from '../navigation'
import { useEasel } from './easel'

vi.mock('../i18n', async () => ({ language: (await import('vue')).ref('en') }))
vi.mock('../shell/theme', async () => ({ dark: (await import('vue')).ref(false) }))
afterEach(() => vi.unstubAllGlobals())

test('a prompt goes to its section, without anything else', () => {
  const { easel } = useEasel()
  easel.toImg2img('a red cat')
  expect(currentTab.value).toBe('img2img')
  expect(takeTransfer('txt2img')).toBeNull()
  expect(takeTransfer('img2img')).toMatchObject({ image: null, infotext: '', words: { prompt: 'a red cat' } })
  expect(pendingTransfer.value).toBeNull()
})

test('a path is requested below the page, whatever it answers', async () => {
  const requested: string[] = []
  vi.stubGlobal('document', { baseURI: 'http://easel/below/' })
  vi.stubGlobal('fetch', (url: string) => {
    requested.push(url)
    return Promise.resolve(new Response('{}', { status: requested.length > 1 ? 401 : 422 }))
  })
  const { easel } = useEasel()
  expect((await easel.fetch('/plugins/x/y')).status).toBe(422)
  expect(requested).toEqual(['http://easel/below/plugins/x/y'])
  expect(loginNeeded.value).toBe(false)
  await easel.fetch('plugins/x/y')
  expect(loginNeeded.value).toBe(true)
})

test('a change of language is told until the part is left', async () => {
  const { language } = await import('../i18n')
  const { nextTick } = await import('vue')
  const { easel, end } = useEasel()
  const changed = vi.fn()
  easel.follow(changed)
  language.value = 'zh'
  await nextTick()
  expect(changed).toHaveBeenCalledTimes(1)
  expect(easel.language).toBe('zh')
  end()
  language.value = 'en'
  await nextTick()
  expect(changed).toHaveBeenCalledTimes(1)
})
