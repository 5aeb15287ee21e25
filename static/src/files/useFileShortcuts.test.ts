import { afterEach, expect, test, vi } from 'vitest'
import { effectScope, ref, shallowRef } from 'vue'

import type { FileCommands, TabElements } from './useFileCommands'
import type { FileManager } from './useFileManager'
import { useFileShortcuts } from './useFileShortcuts'

afterEach(() => vi.unstubAllGlobals())

function setUp() {
  vi.stubGlobal('window', new EventTarget())
  const manager = {
    listing: { at: (index: number) => (index === 1 ? { path: '/data/b' } : undefined) },
    selection: { all: vi.fn(), clear: vi.fn(), active: ref(1) },
    previewOpen: ref(false),
    clipboard: shallowRef({ paths: ['/data/a'], cut: true }),
    setClipboard: vi.fn(),
    paste: vi.fn(),
    discard: vi.fn(),
    up: vi.fn(),
  }
  const commands = { openEntry: vi.fn(), rename: vi.fn(), openMenuByKey: vi.fn(), focusList: vi.fn() }
  const scope = effectScope()
  const { onListKey } = scope.run(() =>
    useFileShortcuts(
      manager as unknown as FileManager,
      commands as unknown as FileCommands,
      { searchBox: ref(null) } as unknown as TabElements,
      ref(true),
    ),
  )!
  function press(key: string, held: Partial<KeyboardEvent> = {}) {
    const preventDefault = vi.fn()
    onListKey({ key, ...held, preventDefault } as unknown as KeyboardEvent)
    return preventDefault.mock.calls.length > 0
  }
  return { manager, commands, press, scope }
}

test('keys run what they stand for', () => {
  const { manager, commands, press, scope } = setUp()
  press('Enter')
  expect(commands.openEntry).toHaveBeenCalledWith({ path: '/data/b' })
  press('F2')
  expect(commands.rename).toHaveBeenCalledTimes(1)
  press('F10', { shiftKey: true })
  expect(commands.openMenuByKey).toHaveBeenCalledTimes(1)
  press('ArrowUp', { altKey: true })
  press('Backspace')
  expect(manager.up).toHaveBeenCalledTimes(2)
  press('X', { ctrlKey: true })
  press('c', { metaKey: true })
  expect(manager.setClipboard.mock.calls).toEqual([[true], [false]])
  scope.stop()
})

test('keys without a meaning are left to the browser', () => {
  const { press, scope } = setUp()
  expect(['q', 'ArrowUp', 'F10'].map((key) => press(key))).toEqual([false, false, false])
  expect(press('r', { ctrlKey: true })).toBe(false)
  expect(press('Delete')).toBe(true)
  scope.stop()
})

test('Escape gives up the cut entries, then the preview, then the selection', () => {
  const { manager, press, scope } = setUp()
  manager.previewOpen.value = true
  press('Escape')
  expect(manager.clipboard.value).toEqual({ paths: [], cut: false })
  expect(manager.previewOpen.value).toBe(true)
  press('Escape')
  expect(manager.previewOpen.value).toBe(false)
  expect(manager.selection.clear).not.toHaveBeenCalled()
  press('Escape')
  expect(manager.selection.clear).toHaveBeenCalledTimes(1)
  scope.stop()
})
