/** Commands of the files tab: what the toolbar, the context menu and the keyboard run. */
import { computed, ref, shallowRef, type Ref } from 'vue'

import { sendableFile } from '../send/sendable'
import { sendMenu } from '../send/sendMenu'
import { downloadEntries } from './downloads'
import { isUnreadable } from './entryKinds'
import type { FileManager } from './useFileManager'
import type { Item } from './useListing'

type ElementRef<T> = Readonly<Ref<T | null>>

/** Elements of the tab that commands move the focus to or open. */
export interface TabElements {
  list: ElementRef<{ focus: () => void; $el: HTMLElement }>
  searchBox: ElementRef<{ focus: () => void }>
  filePicker: ElementRef<HTMLInputElement>
  folderPicker: ElementRef<HTMLInputElement>
}

/** Where the context menu is open, and for which entry; `item` is null beside all entries. */
export interface OpenMenu {
  at: { x: number; y: number } // pixels of the window
  item: Item | null
}

export type FileCommands = ReturnType<typeof useFileCommands>

export function useFileCommands(manager: FileManager, { list, filePicker, folderPicker }: TabElements) {
  const { listing, selection, previewOpen } = manager
  const { selected, active, count } = selection
  const nameDialog = ref<'folder' | 'text' | null>(null)
  const sharedPath = ref('') // "" while the dialog is closed
  const menu = shallowRef<OpenMenu | null>(null)
  let menuPlace = { x: 0, y: 0 } // of the menu that was opened last
  const selectedItems = computed(() => listing.loaded.value.filter((one) => selected.value.has(one.path)))
  const item = computed(() => (count.value === 1 ? (selectedItems.value[0] ?? null) : null))

  function focusList() {
    list.value?.focus()
    if (active.value < 0 && listing.total.value > 0) active.value = 0
  }

  function openEntry(one: Item) {
    if (one.kind === 'folder') void manager.go(one.path).then(focusList)
    else if (!isUnreadable(one.kind)) previewOpen.value = true
    if (one.kind !== 'folder') manager.selectPath(one.path)
  }

  /** On a touch screen, the entry that was looked at is not left selected. */
  function closePreview() {
    previewOpen.value = false
    if (window.matchMedia('(pointer: coarse)').matches) selection.clear()
    list.value?.focus()
  }

  function rename() {
    if (item.value) manager.renaming.value = item.value.path
  }

  function download() {
    const files = selectedItems.value
    downloadEntries(files.length === 1 ? files : [], manager.selectedPaths())
  }

  function openMenu(at: OpenMenu['at'], one: Item | null) {
    menuPlace = at
    menu.value = { at, item: one }
  }

  /** Beside the entry that the keyboard stands on, else beside the first selected one. */
  function openMenuByKey() {
    const box = list.value?.$el.querySelector('.standing, [aria-selected=true]')?.getBoundingClientRect()
    openMenu(
      { x: (box?.left ?? 100) + 40, y: (box?.top ?? 100) + 30 },
      count.value > 0 ? (listing.at(active.value) ?? item.value) : null,
    )
  }

  function closeMenu() {
    menu.value = null
    list.value?.focus()
  }

  async function createEntry(name: string) {
    if (await (nameDialog.value === 'text' ? manager.makeText(name) : manager.makeFolder(name))) {
      nameDialog.value = null
      list.value?.focus()
    }
  }

  /** The menu of a picture, where that of the file was. */
  function sendOn(one: Item) {
    const from = list.value?.$el ?? null
    sendMenu.value = { picture: sendableItem(one), at: menuPlace, from }
  }

  const sendableItem = (one: Item) =>
    sendableFile(one, null, () => {
      void manager.refresh()
      return () => void manager.refresh()
    })

  const commands: Record<string, (menuItem: Item | null) => void> = {
    folder: () => (nameDialog.value = 'folder'),
    text: () => (nameDialog.value = 'text'),
    upload: () => filePicker.value?.click(),
    uploadFolder: () => folderPicker.value?.click(),
    paste: () => void manager.paste(),
    all: () => void selection.all(),
    renew: () => void manager.refresh(),
    open: (one) => one && openEntry(one),
    show: (one) => one && void manager.goTo(one),
    download,
    send: (one) => one && sendOn(one),
    share: () => (sharedPath.value = item.value?.path ?? ''),
    cut: () => manager.setClipboard(true),
    copy: () => manager.setClipboard(false),
    rename,
    extract: () => item.value && void manager.extract(item.value),
    discard: () => void manager.discard(),
  }

  function runCommand(name: string) {
    const menuItem = menu.value?.item ?? null
    closeMenu()
    commands[name]?.(menuItem)
  }

  return {
    nameDialog,
    sharedPath,
    menu,
    selectedItems,
    item,
    focusList,
    openEntry,
    closePreview,
    sendableItem,
    rename,
    download,
    openMenu,
    openMenuByKey,
    closeMenu,
    createEntry,
    runCommand,
  }
}
