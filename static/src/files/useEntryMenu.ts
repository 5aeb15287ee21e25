/** The rows of the context menu, for what was clicked on. */
import { computed } from 'vue'
import { useI18n } from 'vue-i18n'

import type { Choice } from './ContextMenu.vue'
import type { FileCommands } from './useFileCommands'
import type { FileManager } from './useFileManager'
import type { Item } from './useListing'

export function useEntryMenu({ activeView, selection }: FileManager, { menu }: FileCommands) {
  const { t } = useI18n()

  function folderChoices(): Choice[] {
    return [
      { name: 'folder', label: t('files.newFolder'), icon: 'folderPlus' },
      { name: 'text', label: t('files.newText'), icon: 'words' },
      { name: 'upload', label: t('files.upload'), icon: 'upload' },
      { name: 'uploadFolder', label: t('files.uploadFolder'), icon: 'upload' },
      { name: 'paste', label: t('files.paste'), icon: 'copy', keys: 'Ctrl V', apart: true },
      { name: 'all', label: t('files.selectAll'), icon: 'apply', keys: 'Ctrl A' },
      { name: 'renew', label: t('files.renew'), icon: 'recycle' },
    ]
  }

  function entryChoices({ kind }: Item): Choice[] {
    const isFolder = kind === 'folder'
    const single = selection.count.value <= 1
    const isSearch = activeView.value === 'search'
    const choices: [boolean, Choice][] = [
      [
        single,
        { name: 'open', label: t(isFolder ? 'files.open' : 'files.preview'), icon: 'eye', keys: 'Enter' },
      ],
      [single && isSearch, { name: 'show', label: t('files.showFolder'), icon: 'folder' }],
      [
        true,
        {
          name: 'download',
          label: t(isFolder || !single ? 'files.downloadZip' : 'files.download'),
          icon: 'download',
        },
      ],
      [single && kind === 'image', { name: 'send', label: t('send.title'), icon: 'right' }],
      [single, { name: 'share', label: t('files.share.act'), icon: 'link' }],
      [true, { name: 'cut', label: t('files.cut'), icon: 'scissors', keys: 'Ctrl X', apart: true }],
      [true, { name: 'copy', label: t('files.copy'), icon: 'copy', keys: 'Ctrl C' }],
      [single, { name: 'rename', label: t('files.rename'), icon: 'pen', keys: 'F2' }],
      [single && kind === 'archive', { name: 'extract', label: t('files.extract'), icon: 'box' }],
      [
        true,
        { name: 'discard', label: t('files.discard'), icon: 'clear', keys: 'Del', grave: true, apart: true },
      ],
    ]
    return choices.filter(([offered]) => offered).map(([, choice]) => choice)
  }

  return computed(() => (menu.value?.item ? entryChoices(menu.value.item) : folderChoices()))
}
