/** Notifications of the files tab: errors, and messages with Undo. */
import { h } from 'vue'
import { useI18n } from 'vue-i18n'

import { ApiError } from '../api/client'
import { useFailureText } from '../generation/useRefusals'
import { notify } from '../notifications'

const UNDO_MS = 10_000

export type Notifications = ReturnType<typeof useNotifications>

export function useNotifications() {
  const { t } = useI18n()
  const tell = useFailureText()

  /** The message of an API error. Rethrows other errors. */
  function textOf(error: unknown): string {
    if (!(error instanceof ApiError)) throw error
    return tell(error)
  }

  function showError(error: unknown) {
    notify('error', textOf(error))
  }

  /** The answer; null on an API error, which is shown. */
  async function attempt<T>(request: Promise<T>): Promise<T | null> {
    try {
      return await request
    } catch (error) {
      showError(error)
      return null
    }
  }

  /** Show a message with an Undo button for ten seconds. */
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
