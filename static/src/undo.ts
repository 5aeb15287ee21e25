/** A message with a button that takes back what was just done, for ten seconds. */
import { h } from 'vue'

import { i18n } from './i18n'
import { notify } from './notifications'

const UNDO_MS = 10_000

export function showUndo(text: string, undo: () => void) {
  const button = h(
    'button',
    {
      type: 'button',
      class: 'undo',
      onClick: () => {
        close()
        undo()
      },
    },
    i18n.global.t('files.undo'),
  )
  const close = notify('info', { duration: UNDO_MS, closable: true, text: h('span', [text, ' ', button]) })
}
