/** Copying a text to the clipboard, and saying so. */
import { notify } from './notifications'

/** Copy `text` and tell how that went; over plain HTTP from another machine there is no clipboard. */
export async function copyText(text: string, copied: string, failed: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    notify('success', copied)
    return true
  } catch {
    notify('warning', failed)
    return false
  }
}
