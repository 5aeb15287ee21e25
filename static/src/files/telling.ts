/** Words for the reader: what failed, and what can be taken back. */
import { h } from 'vue'
import { useI18n } from 'vue-i18n'

import { ApiError } from '../api/client'
import { notify } from '../notifications'

const UNDO_MS = 10_000

export type Telling = ReturnType<typeof useTelling>

export function useTelling() {
  const { t } = useI18n()

  /** The service's own sentence where it gave one. Raises what is no answer of the service. */
  function textOf(error: unknown): string {
    if (!(error instanceof ApiError)) throw error
    const fields = Object.values(error.fields).join(' ')
    return error.message || fields || (error.status ? t('error.status', { status: error.status }) : t('error.network'))
  }

  function failed(error: unknown) {
    notify('error', textOf(error))
  }

  /** What is asked; or null, and a word on the page of why. */
  async function tried<T>(asked: Promise<T>): Promise<T | null> {
    try {
      return await asked
    } catch (error) {
      failed(error)
      return null
    }
  }

  /** A sentence with a button that takes it back, for ten seconds. */
  function undoable(text: string, undo: () => void) {
    const close = notify('info', {
      duration: UNDO_MS,
      closable: true,
      text: h('span', [
        text,
        ' ',
        h(
          'button',
          {
            type: 'button',
            class: 'undo',
            onClick: () => {
              close()
              undo()
            },
          },
          t('files.undo'),
        ),
      ]),
    })
  }

  function said(text: string) {
    notify('success', text)
  }

  function wrong(text: string) {
    notify('error', { text, duration: 8000, closable: true })
  }

  function warned(text: string) {
    notify('warning', text)
  }

  return { textOf, failed, tried, undoable, said, wrong, warned }
}
