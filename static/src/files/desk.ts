/** What the tab shows and does: where it is, what is selected, and the verbs. */
import { useStorage } from '@vueuse/core'
import { computed, ref, shallowRef, watch } from 'vue'
import { useI18n } from 'vue-i18n'

import { ApiError } from '../api/client'
import * as api from './api'
import { useAsking } from './asking'
import { useJobs } from './jobs'
import { writeText } from './preview/texts'
import { useListing, type Item, type Source } from './listing'
import { joined, nameOf, parentOf, within } from './paths'
import { faultsOf, leftOutOf } from './results'
import { useSelection } from './selection'
import { useTelling } from './telling'
import type { View } from './views'

export type Desk = ReturnType<typeof useDesk>
export type Where = 'folder' | 'search' | 'trash' | 'shares'
export type SortKey = 'name' | 'size' | 'modified' | 'kind'

const TAKEN = 409

export function useDesk() {
  const { t } = useI18n()
  const telling = useTelling()
  const asking = useAsking()
  const { tried, failed } = telling
  const roots = shallowRef<api.Root[]>([])
  const where = ref<Where>('folder')
  const path = useStorage('easel.files.path', '/data')
  const words = ref('') // that are searched for
  const how = useStorage('easel.files.how', { view: 'list' as View, sort: 'name' as SortKey, descending: false, hidden: false }, undefined, { mergeDefaults: true })
  const fault = ref('') // what the service has against the words of a search
  const complete = ref(true) // whether it knows everything that a search may find
  const listing = useListing((error) => {
    const refused = where.value === 'search' && error instanceof ApiError && error.status >= 400 && error.status < 500
    if (refused) fault.value = telling.textOf(error)
    else failed(error)
  })
  const selection = useSelection({ total: () => listing.total.value, at: listing.at, span: listing.span })
  const clipboard = shallowRef<{ paths: string[]; cut: boolean }>({ paths: [], cut: false })
  const renaming = ref('')
  const looking = ref(false) // whether the preview is open
  const cut = computed(() => new Set(clipboard.value.cut ? clipboard.value.paths : []))
  const writable = computed(() => {
    const root = roots.value.find((one) => within(path.value, one.path))
    return root !== undefined && root.writable && !root.sealed.some((one) => within(path.value, one))
  })

  const jobs = useJobs(failed, (job) => {
    complain(job.results)
    if (job.state === 'failed' && !faultsOf(job.results)) telling.wrong(job.error)
    void renew()
  })

  // ---- where
  function source(): Source {
    const { sort, descending, hidden } = how.value
    if (where.value === 'search') {
      const asked = words.value
      const below = path.value
      return async (offset, limit) => {
        const found = await api.search(asked, below, offset, limit)
        fault.value = ''
        complete.value = found.complete
        return found
      }
    }
    const folder = path.value
    return async (offset, limit) => {
      const { total, entries } = await api.list(folder, { sort, descending, hidden, offset, limit })
      return { total, entries: entries.map((entry) => ({ ...entry, path: joined(folder, entry.name) })) }
    }
  }

  async function open() {
    selection.reset()
    renaming.value = ''
    await listing.open(source())
  }

  async function go(to: string) {
    where.value = 'folder'
    words.value = ''
    path.value = to
    await open()
  }

  /** Open the folder of an entry and stand on the entry. */
  async function goTo(item: Pick<Item, 'path'>) {
    await go(parentOf(item.path))
    select(item.path)
  }

  function up() {
    const above = parentOf(path.value)
    if (where.value === 'folder' && above) void goTo({ path: path.value })
  }

  async function search(said: string) {
    words.value = said
    const next = said ? 'search' : 'folder'
    if (next === 'folder' && where.value !== 'search') return
    where.value = next
    await open()
  }

  function select(wanted: string) {
    const at = listing.indexOf(wanted)
    if (at >= 0) selection.only(at)
  }

  /** The same again, as it is now. */
  async function renew() {
    if (where.value === 'folder' || where.value === 'search') await listing.renew()
  }

  watch(how, (now, before) => {
    const same = before && now.sort === before.sort && now.descending === before.descending && now.hidden === before.hidden
    if (!same && where.value === 'folder') void open()
  })
  function arrange(change: Partial<typeof how.value>) {
    how.value = { ...how.value, ...change }
  }

  /** What was deleted together comes back; with a number where the name is taken meanwhile. */
  async function restore(trash_id: string) {
    const done = await asked((conflict) => api.restore(trash_id, conflict))
    if (done) await settled(done)
    return done !== null
  }

  async function begin() {
    const found = await tried(api.roots())
    roots.value = found?.roots ?? []
    const known = roots.value.some((root) => within(path.value, root.path))
    if (!known && roots.value[0]) path.value = roots.value[0].path
    await open()
    if (listing.total.value === 0 && parentOf(path.value)) await stillThere()
  }

  /** A remembered folder may be gone: then the nearest one above it. */
  async function stillThere() {
    try {
      await api.list(path.value, { offset: 0, limit: 1 })
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) await go(`/${path.value.split('/')[1]}`)
    }
  }

  // ---- verbs
  const chosen = () => [...selection.chosen.value]

  async function makeFolder(name: string): Promise<boolean> {
    const made = await tried(api.makeFolder(joined(path.value, name)))
    if (!made) return false
    await renew()
    select(joined(path.value, name))
    return true
  }

  async function makeText(name: string): Promise<boolean> {
    const made = await tried(writeText(joined(path.value, name), '', null))
    if (!made) return false
    await renew()
    select(joined(path.value, name))
    looking.value = true
    return true
  }

  async function rename(item: Item, name: string) {
    renaming.value = ''
    const to = joined(parentOf(item.path), name)
    const done = await tried(api.rename(item.path, name))
    if (!done) return
    await settled(done)
    if (faultsOf(done.results)) return
    select(to)
    telling.undoable(t('files.renamed', { name }), () => {
      void tried(api.rename(to, item.name)).then(renew)
    })
  }

  /** Move or copy; where names are taken, the reader is asked first. */
  async function bring(paths: string[], to: string, copying: boolean) {
    const moved = paths.filter((one) => one !== to && (copying || parentOf(one) !== to))
    if (moved.length === 0) return
    // A copy beside the original is meant to be one more.
    const twin = copying && moved.every((one) => parentOf(one) === to)
    const verb = copying ? api.copy : api.move
    const done = await asked((conflict) => verb(moved, to, conflict ?? (twin ? 'rename' : undefined)))
    if (!done) return
    if (!copying) selection.reset()
    await settled(done)
    const gone = copying ? [] : done.results.filter(({ status }) => status === 'done')
    if (gone.length > 0) telling.undoable(t('files.moved', { count: gone.length, folder: nameOf(to) }), () => void back(gone))
  }

  /** What was moved goes to where it was; not over what may lie there by now. */
  async function back(moved: api.Result[]) {
    for (const folder of new Set(moved.map((one) => parentOf(one.path)))) {
      const theirs = moved.filter((one) => one.to !== null && parentOf(one.path) === folder)
      const done = await asked((conflict) => api.move(theirs.map((one) => one.to!), folder, conflict))
      if (done) await settled(done)
    }
  }

  async function extract(item: Item) {
    const done = await asked((conflict) => api.extract(item.path, conflict))
    if (done) await settled(done)
  }

  /** Try it; where names are taken, ask what to do and try it so. Null where nothing was done. */
  async function asked<T>(verb: (conflict?: api.Conflict) => Promise<T>): Promise<T | null> {
    try {
      return await verb()
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== TAKEN) {
        failed(error)
        return null
      }
      const conflict = await asking.whatIfTaken([])
      return conflict ? tried(verb(conflict)) : null
    }
  }

  /** Tell what went wrong, follow what goes on, and look again. */
  async function settled({ results, job }: api.Worked) {
    if (job) await jobs.follow(job)
    else complain(results)
    await renew()
  }

  function complain(results: api.Result[]) {
    const faults = faultsOf(results)
    if (faults) telling.wrong(faults)
    const leftOut = leftOutOf(results, (reason) => t(`files.leftOut.${reason}`))
    if (leftOut.count) telling.wrong(t('files.leftOut.says', leftOut))
  }

  function hold(cutting: boolean) {
    clipboard.value = { paths: chosen(), cut: cutting }
  }

  async function paste() {
    const { paths, cut: cutting } = clipboard.value
    if (paths.length === 0 || where.value !== 'folder') return
    if (cutting) clipboard.value = { paths: [], cut: false }
    await bring(paths, path.value, !cutting)
  }

  async function discard(paths = chosen()) {
    if (paths.length === 0) return
    const done = await tried(api.discard(paths))
    if (!done) return
    selection.reset()
    await settled(done)
    const said = paths.length === 1 ? t('files.discarded', { name: nameOf(paths[0]!) }) : t('files.discardedMany', { count: paths.length })
    telling.undoable(said, () => {
      void restore(done.trash_id)
    })
  }

  return {
    roots, where, path, words, fault, complete, how, listing, selection, clipboard, cut, renaming, looking, writable,
    jobs, asking, telling,
    begin, go, goTo, up, search, select, renew, arrange, open, chosen,
    makeFolder, makeText, rename, bring, restore, extract, hold, paste, discard,
  }
}
