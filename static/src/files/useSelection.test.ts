import { expect, test } from 'vitest'

import { useSelection, type Rows } from './useSelection'

const names = Array.from({ length: 20 }, (_, at) => ({ path: `/${at}` }))
const rows: Rows = {
  total: () => names.length,
  at: (index) => names[index],
  span: async (from, to) => names.slice(from, to),
}
const paths = (selection: ReturnType<typeof useSelection>) => [...selection.selected.value]

test('Shift selects from where the selection began, also backwards', async () => {
  const selection = useSelection(rows)
  selection.only(5)
  await selection.extend(7)
  expect(paths(selection)).toEqual(['/5', '/6', '/7'])
  await selection.extend(4)
  expect(paths(selection)).toEqual(['/4', '/5'])
  expect(selection.active.value).toBe(4)
})

test('Ctrl adds and takes away one', () => {
  const selection = useSelection(rows)
  selection.only(1)
  selection.toggle(3)
  selection.toggle(1)
  expect(paths(selection)).toEqual(['/3'])
})

test('a span that arrives after another choice is not selected', async () => {
  const selection = useSelection(rows)
  selection.only(0)
  const late = selection.extend(9)
  selection.only(2)
  await late
  expect(paths(selection)).toEqual(['/2'])
})

test('everything can be selected', async () => {
  const selection = useSelection(rows)
  await selection.all()
  expect(selection.count.value).toBe(20)
})

test('one that is not there yet is selected when it has come', async () => {
  const selection = useSelection({ ...rows, at: () => undefined })
  selection.only(12)
  expect(selection.count.value).toBe(0)
  await Promise.resolve().then(() => undefined)
  expect(paths(selection)).toEqual(['/12'])
})
