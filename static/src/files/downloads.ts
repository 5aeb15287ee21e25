/** Hand files to the browser, which saves and resumes them by itself. */
import { archiveOf, downloadOf, type Entry } from './api'

/** One file as it is; several, or a folder, packed on the way. */
export function saveAll(entries: (Entry & { path: string })[], paths: string[]) {
  const [only] = entries
  const link = document.createElement('a')
  link.href = paths.length === 1 && only && only.kind !== 'folder' ? downloadOf(only.path) : archiveOf(paths)
  link.download = '' // the service tells the name
  link.click()
}
