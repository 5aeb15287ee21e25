import { expect, test } from 'vitest'

import { chooseAxes, gridOf, labelsOf, settingsOf } from './grid'

function picture(prompt: string, steps: number, sampler: string, seed = 1) {
  return { infotext: `${prompt}\nSteps: ${steps}, Sampler: ${sampler}, Seed: ${seed}` }
}

const PLOT = [10, 5].flatMap((steps) => ['Euler', 'Heun'].map((sampler) => picture('a boat', steps, sampler)))

test('a plot has its two settings as columns and rows, numbers in order', () => {
  const grid = gridOf(PLOT)
  expect([grid.x, grid.y]).toEqual(['Steps', 'Sampler'])
  expect(grid.columns).toEqual(['5', '10'])
  expect(grid.rows).toEqual(['Euler', 'Heun'])
  expect(grid.cells.map(({ pictures }) => pictures)).toEqual([[PLOT[2]], [PLOT[0]], [PLOT[3]], [PLOT[1]]])
})

test('prompts that each have a seed of their own are one row, by the prompt', () => {
  const drawn = ['a red boat', 'a blue boat', 'a boat'].map((prompt, at) => picture(prompt, 5, 'Euler', at))
  const grid = gridOf(drawn)
  expect([grid.x, grid.y]).toEqual(['prompt', ''])
  expect(labelsOf('prompt', grid.columns)).toEqual(['red', 'blue', '–'])
  expect(grid.names).toEqual(['prompt', 'Seed'])
})

test('columns and rows that somebody chose', () => {
  const grid = gridOf(PLOT, { x: 'Sampler', y: '' })
  expect(grid.columns).toEqual(['Euler', 'Heun'])
  expect(grid.cells[0]!.pictures).toEqual([PLOT[0], PLOT[2]])
})

test('pictures that differ in nothing share a cell', () => {
  expect(chooseAxes([PLOT[0]!, PLOT[0]!].map(({ infotext }) => settingsOf(infotext)))).toEqual({
    x: '',
    y: '',
  })
  expect(gridOf([PLOT[0]!, PLOT[0]!]).cells).toHaveLength(1)
  expect(labelsOf('Steps', ['', '5'])).toEqual(['–', '5'])
})
