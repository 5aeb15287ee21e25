import { expect, test, vi } from 'vitest'
import { ref, shallowRef } from 'vue'

import type { EntryKind } from './api'
import { useEntryMenu } from './useEntryMenu'
import type { FileCommands } from './useFileCommands'
import type { FileManager } from './useFileManager'

vi.mock('vue-i18n', () => ({ useI18n: () => ({ t: (key: string) => key }) }))

function names(kind: EntryKind | null, count = 1, activeView = 'folder') {
  const menu = shallowRef({ at: { x: 0, y: 0 }, item: kind && { kind } })
  const manager = { activeView: ref(activeView), selection: { count: ref(count) } }
  const choices = useEntryMenu(manager as unknown as FileManager, { menu } as unknown as FileCommands)
  return choices.value.map(({ name }) => name)
}

test('beside all entries the menu is about the folder', () => {
  expect(names(null)).toEqual(['folder', 'text', 'upload', 'uploadFolder', 'paste', 'all', 'renew'])
})

test('one entry can be opened, shared and renamed; several cannot', () => {
  expect(names('text')).not.toContain('send')
  expect(names('image')).toEqual(['open', 'download', 'send', 'share', 'cut', 'copy', 'rename', 'discard'])
  expect(names('image', 2)).toEqual(['download', 'cut', 'copy', 'discard'])
})

test('archives can be extracted, and what was searched for shown in its folder', () => {
  expect(names('archive')).toContain('extract')
  expect(names('archive', 2)).not.toContain('extract')
  expect(names('image', 1, 'search')).toContain('show')
  expect(names('image')).not.toContain('show')
})
