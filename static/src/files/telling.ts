/** Words for the reader: what failed, and what can be taken back. */
import { ElMessage } from 'element-plus'
import { h } from 'vue'
import { useI18n } from 'vue-i18n'

import { ApiError } from '../api/client'

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
    ElMessage.error({ message: textOf(error), grouping: true })
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
    const shown = ElMessage({
      duration: UNDO_MS,
      showClose: true,
      placement: 'bottom', // above it lie the sections
      customClass: 'undoable',
      message: h('span', [
        text,
        ' ',
        h(
          'button',
          {
            type: 'button',
            class: 'undo',
            onClick: () => {
              shown.close()
              undo()
            },
          },
          t('files.undo'),
        ),
      ]),
    })
  }

  function said(text: string) {
    ElMessage.success(text)
  }

  function wrong(text: string) {
    ElMessage.error({ message: text, duration: 8000, showClose: true })
  }

  function warned(text: string) {
    ElMessage.warning(text)
  }

  return { textOf, failed, tried, undoable, said, wrong, warned }
}
