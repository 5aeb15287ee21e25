/** The page's keys, as the list of them shows: groups of `keys.NAME` in `locales/`. */
export const KEY_GROUPS = [
  {
    title: 'keys.page',
    entries: [
      ['Ctrl+K', 'keys.palette'],
      ['?', 'keys.list'],
      ['Ctrl+Enter', 'keys.generate'],
      ['Alt+Enter', 'keys.skip'],
      ['Esc', 'keys.interrupt'],
      ['← →', 'keys.pictures'],
      ['S', 'keys.save'],
      ['F8', 'keys.message'],
    ],
  },
  {
    title: 'keys.prompt',
    entries: [
      ['Ctrl+↑ Ctrl+↓', 'keys.weight'],
      ['Alt+← Alt+→', 'keys.move'],
      ['↑ ↓ Enter Tab', 'keys.suggestion'],
      ['Ctrl+Z Ctrl+Y', 'keys.undo'],
    ],
  },
  {
    title: 'keys.mask',
    entries: [
      ['Q W', 'keys.brush'],
      ['E', 'keys.eraser'],
      ['Ctrl+Z', 'keys.undoStroke'],
      ['R', 'keys.whole'],
    ],
  },
  {
    title: 'keys.files',
    entries: [
      ['/', 'keys.search'],
      ['Space', 'keys.preview'],
      ['F2', 'keys.rename'],
      ['Delete', 'keys.trash'],
      ['Ctrl+C Ctrl+X Ctrl+V', 'keys.copy'],
    ],
  },
] as const
