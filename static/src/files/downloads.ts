/** Downloads through the browser. */
import { archiveUrl, downloadUrl, type Entry } from './api'

/** Download one file as it is; several, or a folder, as a zip. */
export function downloadEntries(entries: (Entry & { path: string })[], paths: string[]) {
  const [single] = entries
  const link = document.createElement('a')
  link.href =
    paths.length === 1 && single && single.kind !== 'folder' ? downloadUrl(single.path) : archiveUrl(paths)
  link.download = '' // the service tells the name
  link.click()
}
