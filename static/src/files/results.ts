/** Messages about the results of file operations. */
import type { LeftOut, Result } from './api'
import { nameOf, displayName } from './paths'

/** Failed paths with their errors, one a line; "" if there are none. */
export function formatFailures(results: Result[]): string {
  return results
    .filter(({ status }) => status === 'failed')
    .map(({ path, error }) => `${displayName(nameOf(path))}: ${error ?? ''}`)
    .join('\n')
}

const MAX_NAMED = 8

/** Files of archives that were not extracted, with their reasons. */
export function summarizeLeftOut(
  results: Result[],
  describe: (reason: LeftOut['reason']) => string,
): { count: number; names: string } {
  const done = results.filter(({ status }) => status === 'done')
  const files = done.flatMap(({ left_out = [] }) => left_out)
  const count = done.reduce((sum, { left_out_count = 0 }) => sum + left_out_count, 0)
  const descriptions = files
    .slice(0, MAX_NAMED)
    .map(({ name, reason }) => `${displayName(name)} (${describe(reason)})`)
  return { count, names: descriptions.join(', ') + (count > descriptions.length ? ', …' : '') }
}
