import { expect, test } from 'vitest'

import { isPlot, plotOf } from './plots'

const picture = (key: number, plot: number | undefined, infotext: string) => ({
  ...{ key, plot, infotext, url: `blob:${key}`, prompt: 'a boat', seed: key, kind: 'png' as const },
})
const told = (sampler: string) => `a boat\nSteps: 20, Sampler: ${sampler}, Seed: 1`

test('cells of a plot are its own pictures that tell how they were made', () => {
  const cells = [picture(2, 1, told('Euler')), picture(3, 1, told('Heun'))]
  const sheet = { ...picture(1, 1, told('DDIM')), isSheet: true }
  const all = [sheet, ...cells, picture(4, 2, told('DDIM')), picture(5, 1, '')]
  expect(plotOf(all, cells[1]!).map(({ key }) => key)).toEqual(['2', '3'])
  expect(plotOf(all, cells[1]!)[0]).toMatchObject({ small: 'blob:2', infotext: told('Euler') })
  expect(plotOf(all, sheet)).toHaveLength(2)
  expect(plotOf(all, picture(6, undefined, told('Euler')))).toEqual([])
  expect(plotOf(all, null)).toEqual([])
})

test('pictures of which none differs are no grid', () => {
  const same = [picture(1, 1, told('Euler')), picture(2, 1, told('Euler'))]
  expect(plotOf(same, same[0]!)).toEqual([])
})

test('scripts that compare are known by their names', () => {
  expect(['X/Y/Z plot', 'prompt matrix', 'loopback', undefined].map(isPlot)).toEqual([
    true,
    true,
    false,
    false,
  ])
})
