/** Copying a text to the clipboard, and saying so. */
import { useI18n } from 'vue-i18n'

import { notify } from '../notifications'

export function useCopy() {
  const { t } = useI18n()

  /** Copy `text`; over plain HTTP there is no clipboard: `field` is selected instead. */
  return async function copy(text: string, field: HTMLInputElement | HTMLTextAreaElement | null) {
    try {
      await navigator.clipboard.writeText(text)
      notify('success', t('account.copied'))
    } catch {
      field?.select()
      notify('warning', t('account.copyByHand'))
    }
  }
}
