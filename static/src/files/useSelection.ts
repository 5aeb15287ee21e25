/** Selected paths, and the index of the active entry. */
import { computed, ref, shallowRef } from 'vue'

export type Selection = ReturnType<typeof useSelection>

/** An item of the list that is selected from. */
export interface Row {
  path: string
}
export interface Rows<R extends Row = Row> {
  total: () => number
  at: (index: number) => R | undefined
  /** All entries of a range, fetched where missing. */
  span: (from: number, to: number) => Promise<R[]>
}

export function useSelection(rows: Rows) {
  const selected = shallowRef<ReadonlySet<string>>(new Set())
  const active = ref(-1) // index of the entry that the keyboard stands on
  let anchor = -1 // where a span with Shift begins
  let revision = 0 // of answers that come late

  const count = computed(() => selected.value.size)

  /** Select one entry alone; if it is not loaded, as soon as it is. */
  function only(index: number) {
    const started = ++revision
    active.value = anchor = index
    const entry = rows.at(index)
    selected.value = new Set(entry ? [entry.path] : [])
    if (entry) return
    void rows.span(index, index + 1).then(([late]) => {
      if (started === revision && late) selected.value = new Set([late.path])
    })
  }

  function toggle(index: number) {
    const entry = rows.at(index)
    if (!entry) return
    revision++
    const next = new Set(selected.value)
    if (!next.delete(entry.path)) next.add(entry.path)
    active.value = anchor = index
    selected.value = next
  }

  /** Select from the anchor to `index`; `keep`: in addition to the present selection. */
  async function extend(index: number, keep = false) {
    const from = anchor < 0 ? index : anchor
    const started = ++revision
    active.value = index
    const entries = await rows.span(Math.min(from, index), Math.max(from, index) + 1)
    if (started !== revision) return
    const before = keep ? [...selected.value] : []
    selected.value = new Set([...before, ...entries.map(({ path }) => path)])
    anchor = from
  }

  async function all() {
    const started = ++revision
    const entries = await rows.span(0, rows.total())
    if (started === revision) selected.value = new Set(entries.map(({ path }) => path))
  }

  function set(paths: Iterable<string>) {
    revision++
    selected.value = new Set(paths)
  }

  function clear() {
    revision++
    selected.value = new Set()
    anchor = -1
  }

  /** Clear the selection and the active entry, for another folder. */
  function reset() {
    clear()
    active.value = -1
  }

  return { selected, active, count, only, toggle, extend, all, set, clear, reset }
}
