/** Pictures of a plot as a table: which settings are its columns and rows. */
import { parseInfotext } from '../generation/infotext'
import { markWords } from './compare'

export interface PlotPicture {
  key: string
  name: string
  small: string // address
  infotext: string
}

export interface GridCell<P> {
  x: string
  y: string
  pictures: P[]
}

export interface Grid<P> {
  names: string[] // of all settings that differ
  x: string // the setting of the columns; '' none
  y: string
  columns: string[]
  rows: string[]
  cells: GridCell<P>[] // row by row
}

type Settings = Record<string, string>

/** Settings that follow from others, or differ anyway: not chosen where another does as well. */
const MINOR = /hash|seed|^version$/i

/** All settings that an infotext tells, the prompts among them. */
export function settingsOf(infotext: string): Settings {
  const { prompt, negative, parameters } = parseInfotext(infotext)
  return { prompt, negative, ...parameters }
}

/** Names of the settings in which the pictures differ, those that say more first. */
export function differingNames(all: readonly Settings[]): string[] {
  const names = [...new Set(all.flatMap((one) => Object.keys(one)))]
  const differing = names.filter((name) => new Set(all.map((one) => one[name] ?? '')).size > 1)
  return [...differing.filter((name) => !MINOR.test(name)), ...differing.filter((name) => MINOR.test(name))]
}

/** The columns and rows that part most pictures, with the fewest empty cells. */
export function chooseAxes(all: readonly Settings[]): { x: string; y: string } {
  const names = differingNames(all)
  const pairs = names.flatMap((x, at) => [{ x, y: '' }, ...names.slice(at + 1).map((y) => ({ x, y }))])
  const count = (name: string) => new Set(all.map((one) => one[name] ?? '')).size
  let best = { x: '', y: '' }
  let [bestFilled, bestSize] = [1, 1]
  for (const pair of pairs) {
    const filled = new Set(all.map((one) => JSON.stringify([one[pair.x] ?? '', one[pair.y] ?? '']))).size
    const size = count(pair.x) * Math.max(1, count(pair.y))
    if (filled < bestFilled || (filled === bestFilled && size >= bestSize)) continue
    best = pair
    ;[bestFilled, bestSize] = [filled, size]
  }
  return best
}

/** The pictures by the settings `x` and `y`; without them, by those that fit best. */
export function gridOf<P extends { infotext: string }>(
  pictures: readonly P[],
  axes?: { x: string; y: string },
): Grid<P> {
  const all = pictures.map(({ infotext }) => settingsOf(infotext))
  const { x, y } = axes ?? chooseAxes(all)
  const valueAt = (at: number, name: string) => (name ? (all[at]![name] ?? '') : '')
  const columns = inOrder(all.map((_, at) => valueAt(at, x)))
  const rows = inOrder(all.map((_, at) => valueAt(at, y)))
  const cells = rows.flatMap((row) =>
    columns.map((column) => ({
      x: column,
      y: row,
      pictures: pictures.filter((_, at) => valueAt(at, x) === column && valueAt(at, y) === row),
    })),
  )
  return { names: differingNames(all), x, y, columns, rows, cells }
}

/** Each value once: numbers by value, others as they come. */
function inOrder(values: readonly string[]): string[] {
  const once = [...new Set(values)]
  const numeric = once.every((value) => value !== '' && Number.isFinite(Number(value)))
  return numeric ? once.sort((a, b) => Number(a) - Number(b)) : once
}

/** What stands over a column or row: of prompts, the words that the others lack. */
export function labelsOf(name: string, values: readonly string[]): string[] {
  if (name !== 'prompt' && name !== 'negative') return values.map((value) => value || '–')
  return values.map((_, at) => {
    const own = markWords(values, at).filter(({ shared }) => !shared)
    return own.map(({ text }) => text).join(' ') || '–'
  })
}
