/** What became of several paths, in one sentence. */
import type { LeftOut, Result } from './api'
import { nameOf, shownName } from './paths'

/** Those that failed, with why; "" where all went well. */
export function faultsOf(results: Result[]): string {
  return results
    .filter(({ status }) => status === 'failed')
    .map(({ path, error }) => `${shownName(nameOf(path))}: ${error ?? ''}`)
    .join('\n')
}

const MOST_NAMED = 8

/** The files of archives that did not come along, each with the words for its reason. */
export function leftOutOf(results: Result[], words: (reason: LeftOut['reason']) => string): { count: number; names: string } {
  const done = results.filter(({ status }) => status === 'done')
  const files = done.flatMap(({ left_out = [] }) => left_out)
  const count = done.reduce((sum, { left_out_count = 0 }) => sum + left_out_count, 0)
  const named = files.slice(0, MOST_NAMED).map(({ name, reason }) => `${shownName(name)} (${words(reason)})`)
  return { count, names: named.join(', ') + (count > named.length ? ', …' : '') }
}
