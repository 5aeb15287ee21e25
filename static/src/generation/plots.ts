/** Answers of scripts that compare: X/Y/Z plot, prompt matrix, every combination of a prompt. */
import type { PlotPicture } from '../gallery/grid'
import { settingsOf } from '../gallery/grid'
import { fileName } from './downloads'
import type { Picture } from './useGeneration'

type Cell = Pick<Picture, 'key' | 'url' | 'infotext' | 'prompt' | 'seed' | 'kind' | 'plot' | 'isSheet'>

const COMPARING = ['x/y/z plot', 'prompt matrix', 'every combination']

/** Whether a script's pictures are the cells of a grid. */
export const isPlot = (script: string | undefined) => COMPARING.includes(script?.toLowerCase() ?? '')

/** The cells of the plot that a picture is of, in the order in which they were drawn; none of other pictures. */
export function plotOf(pictures: readonly Cell[], shown: Cell | null): PlotPicture[] {
  if (!shown?.plot) return []
  const cells = pictures.filter(({ plot, isSheet, infotext }) => plot === shown.plot && !isSheet && infotext)
  const kinds = new Set(cells.map(({ infotext }) => JSON.stringify(settingsOf(infotext))))
  if (kinds.size < 2) return []
  return cells.map((one) => ({
    key: String(one.key),
    name: fileName(one),
    small: one.url,
    infotext: one.infotext,
  }))
}
