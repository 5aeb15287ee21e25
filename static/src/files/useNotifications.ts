/** Words for the reader: what failed, and what can be taken back. */
import { h } from 'vue'
import { useI18n } from 'vue-i18n'

import { ApiError } from '../api/client'
import { notify } from '../notifications'

const UNDO_MS = 10_000

export type Notifications = ReturnType<typeof useNotifications>

export function useNotifications() {
  const { t } = useI18n()

  /** The service's own sentence where it gave one. Raises what is no answer of the service. */
  function textOf(error: unknown): string {
    if (!(error instanceof ApiError)) throw error
    const fields = Object.values(error.fields).join(' ')
    return (
      error.message ||
      fields ||
      (error.status ? t('error.status', { status: error.status }) : t('error.network'))
    )
  }

  function showError(error: unknown) {
    notify('error', textOf(error))
  }

  /** What is asked; or null, and a word on the page of why. */
  async function attempt<T>(request: Promise<T>): Promise<T | null> {
    try {
      return await request
    } catch (error) {
      showError(error)
      return null
    }
  }

  /** A sentence with a button that takes it back, for ten seconds. */
  function showUndo(text: string, undo: () => void) {
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

  function showSuccess(text: string) {
    notify('success', text)
  }

  function showFailure(text: string) {
    notify('error', { text, duration: 8000, closable: true })
  }

  function showWarning(text: string) {
    notify('warning', text)
  }

  return { textOf, showError, attempt, showUndo, showSuccess, showFailure, showWarning }
}
