/** Keys of the files tab: those of the entry list, and those that lead to it from elsewhere. */
import { useEventListener } from '@vueuse/core'
import type { Ref } from 'vue'

import type { FileCommands, TabElements } from './useFileCommands'
import type { FileManager } from './useFileManager'

const TYPING = 'input, textarea, select, [contenteditable], dialog'

/** Gives the handler for keys of the entry list; follows the window's keys while `open`. */
export function useFileShortcuts(
  manager: FileManager,
  commands: FileCommands,
  { searchBox }: TabElements,
  open: Ref<boolean>,
) {
  const { listing, selection, previewOpen, clipboard } = manager

  function onEscape() {
    if (clipboard.value.cut) clipboard.value = { paths: [], cut: false }
    else if (previewOpen.value) previewOpen.value = false
    else selection.clear()
  }

  const withCtrl: Record<string, () => void> = {
    a: () => void selection.all(),
    c: () => manager.setClipboard(false),
    x: () => manager.setClipboard(true),
    v: () => void manager.paste(),
  }
  const plain: Record<string, () => void> = {
    Enter: () => {
      const one = listing.at(selection.active.value)
      if (one) commands.openEntry(one)
    },
    Delete: () => void manager.discard(),
    F2: commands.rename,
    ' ': () => (previewOpen.value = !previewOpen.value),
    '/': () => searchBox.value?.focus(),
    Escape: onEscape,
    Backspace: manager.up,
    ContextMenu: commands.openMenuByKey,
  }

  function actionOf(event: KeyboardEvent): (() => void) | undefined {
    const { key } = event
    if (event.ctrlKey || event.metaKey) return withCtrl[key.toLowerCase()]
    if (event.altKey && key === 'ArrowUp') return manager.up
    if (event.shiftKey && key === 'F10') return commands.openMenuByKey
    return plain[key]
  }

  function onListKey(event: KeyboardEvent) {
    const action = actionOf(event)
    if (!action) return
    event.preventDefault()
    action()
  }

  useEventListener(window, 'keydown', (event) => {
    const target = event.target as HTMLElement
    if (!open.value || target.closest(TYPING) || event.defaultPrevented) return
    const ctrl = event.ctrlKey || event.metaKey
    if (event.key === '/' && !ctrl) {
      event.preventDefault()
      searchBox.value?.focus()
    } else if (target === document.body && (event.key.startsWith('Arrow') || (event.key === 'a' && ctrl))) {
      event.preventDefault()
      commands.focusList()
    }
  })

  return { onListKey }
}
