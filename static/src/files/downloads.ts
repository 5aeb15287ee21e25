/** Hand files to the browser, which saves and resumes them by itself. */
import { archiveUrl, downloadUrl, type Entry } from './api'

/** One file as it is; several, or a folder, packed on the way. */
export function downloadEntries(entries: (Entry & { path: string })[], paths: string[]) {
  const [single] = entries
  const link = document.createElement('a')
  link.href =
    paths.length === 1 && single && single.kind !== 'folder' ? downloadUrl(single.path) : archiveUrl(paths)
  link.download = '' // the service tells the name
  link.click()
}
