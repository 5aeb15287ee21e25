/** Notifications of the files tab: errors, and messages with Undo. */
import { ApiError } from '../api/client'
import { useFailureText } from '../generation/useRefusals'
import { notify } from '../notifications'
import { showUndo } from '../undo'

export type Notifications = ReturnType<typeof useNotifications>

export function useNotifications() {
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
