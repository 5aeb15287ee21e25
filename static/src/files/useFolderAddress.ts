/** The open folder is part of the page's address, so that it can be linked to and gone back to. */
import { watch } from 'vue'

import { useOpened } from '../navigation'
import type { FileManager } from './useFileManager'

export function useFolderAddress({ path, go }: Pick<FileManager, 'path' | 'go'>) {
  const opened = useOpened('files')
  if (opened.value) path.value = `/${opened.value}`
  watch(path, (now) => (opened.value = now.slice(1)), { immediate: true })
  watch(opened, (now) => {
    if (!now)
      opened.value = path.value.slice(1) // the section alone was asked for
    else if (`/${now}` !== path.value) void go(`/${now}`)
  })
}
