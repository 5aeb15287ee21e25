/** What became of several paths, in one sentence. */
import type { Result } from './api'
import { nameOf, shownName } from './paths'

/** Those that failed, with why; "" where all went well. */
export function faultsOf(results: Result[]): string {
  return results
    .filter(({ status }) => status === 'failed')
    .map(({ path, error }) => `${shownName(nameOf(path))}: ${error ?? ''}`)
    .join('\n')
}
