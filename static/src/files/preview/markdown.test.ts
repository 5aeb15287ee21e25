import { expect, test } from 'vitest'

import { isSameOrigin } from './markdown'

const PAGE = 'https://easel.example:7860/sub/'

test.each([
  ...['http://elsewhere.example/a.png', '//elsewhere.example/a.png', '/\\elsewhere.example/a.png'],
  ...['\\\\elsewhere.example/a.png', ' \thttp://elsewhere.example/a.png', 'https:\n//elsewhere.example'],
  ...['http://easel.example:7860/a.png', 'https://easel.example/a.png', 'http://[', 'blob:x'],
  ...['data:text/html,x', 'javascript:0', 'file:///a.png', 'ftp://easel.example:7860/a.png'],
])('what loads from elsewhere is known: %j', (address) => {
  expect(isSameOrigin(address, PAGE)).toBe(false)
})

test.each(['a.png', '/a.png', '?a', 'https://easel.example:7860/a.png', ' data:image/png;base64,AA'])(
  'what is within the text or of this service: %j',
  (address) => {
    expect(isSameOrigin(address, PAGE)).toBe(true)
  },
)
