/** Styles that come with the page, in the table that AUTOMATIC1111 has in its styles.csv. */
import type { Style } from '../api/sdapi'
import table from './styles.csv?raw'

const CELL = /(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g

/** Rows of `name,prompt,negative_prompt`, none of which holds a line break. */
export function parseStyles(csv: string): Style[] {
  const [, ...rows] = csv.split(/\r?\n/).filter((row) => row.trim() !== '')
  return rows.map((row) => {
    const cells = [...row.matchAll(CELL)].map((match) => match[1]?.replaceAll('""', '"') ?? match[2] ?? '')
    const [name = '', prompt = '', negative = ''] = cells
    return { name, prompt, negative_prompt: negative }
  })
}

export const SHIPPED_STYLES: readonly Style[] = parseStyles(table)
