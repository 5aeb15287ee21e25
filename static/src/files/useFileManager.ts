/** State and operations of the files tab. */
import { useStorage } from '@vueuse/core'
import { computed, ref, shallowRef, watch } from 'vue'
import { useI18n } from 'vue-i18n'

import { ApiError } from '../api/client'
import { useRights } from '../rights'
import * as api from './api'
import { useConflictDialog } from './useConflictDialog'
import { useJobs } from './useJobs'
import { writeText } from './preview/texts'
import { useListing, type Item, type Source } from './useListing'
import { joinPath, nameOf, parentOf, isWithin } from './paths'
import { formatFailures, summarizeLeftOut } from './results'
import { useSelection } from './useSelection'
import { useNotifications } from './useNotifications'
import type { View } from './viewLayout'

export type FileManager = ReturnType<typeof useFileManager>
export type FilesView = 'folder' | 'search' | 'trash' | 'shares'
export type SortKey = 'name' | 'size' | 'modified' | 'kind'

const NAME_CONFLICT = 409

export function useFileManager() {
  const { t } = useI18n()
  const rights = useRights()
  const notifications = useNotifications()
  const conflictDialog = useConflictDialog()
  const { attempt, showError } = notifications
  const roots = shallowRef<api.Root[]>([])
  const activeView = ref<FilesView>('folder')
  const path = useStorage('easel.files.path', '/data')
  const searchText = ref('')
  const viewSettings = useStorage(
    'easel.files.how',
    { view: 'list' as View, sort: 'name' as SortKey, descending: false, hidden: false },
    undefined,
    { mergeDefaults: true },
  )
  const searchError = ref('') // what the service has against the words of a search
  const complete = ref(true) // whether it knows everything that a search may find
  const listing = useListing((error) => {
    const refused =
      activeView.value === 'search' && error instanceof ApiError && error.status >= 400 && error.status < 500
    if (refused) searchError.value = notifications.textOf(error)
    else showError(error)
  })
  const selection = useSelection({ total: () => listing.total.value, at: listing.at, span: listing.span })
  const clipboard = shallowRef<{ paths: string[]; cut: boolean }>({ paths: [], cut: false })
  const renaming = ref('')
  const previewOpen = ref(false) // whether the preview is open
  const cutPaths = computed(() => new Set(clipboard.value.cut ? clipboard.value.paths : []))
  const writable = computed(() => {
    const root = roots.value.find((one) => isWithin(path.value, one.path))
    if (!root?.writable || !rights.value.change) return false
    return !root.sealed.some((one) => isWithin(path.value, one))
  })

  const jobs = useJobs(showError, (job) => {
    reportFailures(job.results)
    if (job.state === 'failed' && !formatFailures(job.results)) notifications.showFailure(job.error)
    void refresh()
  })

  // ---- where
  function source(): Source {
    const { sort, descending, hidden } = viewSettings.value
    if (activeView.value === 'search') {
      const query = searchText.value
      const below = path.value
      return async (offset, limit) => {
        const result = await api.search(query, below, offset, limit)
        searchError.value = ''
        complete.value = result.complete
        return result
      }
    }
    const folder = path.value
    return async (offset, limit) => {
      const { total, entries } = await api.list(folder, { sort, descending, hidden, offset, limit })
      return { total, entries: entries.map((entry) => ({ ...entry, path: joinPath(folder, entry.name) })) }
    }
  }

  async function open() {
    selection.reset()
    renaming.value = ''
    await listing.open(source())
  }

  async function go(to: string) {
    activeView.value = 'folder'
    searchText.value = ''
    path.value = to
    await open()
  }

  /** Open an entry's folder and select the entry. */
  async function goTo(item: Pick<Item, 'path'>) {
    await go(parentOf(item.path))
    selectPath(item.path)
  }

  function up() {
    const above = parentOf(path.value)
    if (activeView.value === 'folder' && above) void goTo({ path: path.value })
  }

  async function search(text: string) {
    searchText.value = text
    const next = text ? 'search' : 'folder'
    if (next === 'folder' && activeView.value !== 'search') return
    activeView.value = next
    await open()
  }

  function selectPath(wanted: string) {
    const at = listing.indexOf(wanted)
    if (at >= 0) selection.only(at)
  }

  /** Reload the present view. */
  async function refresh() {
    if (activeView.value === 'folder' || activeView.value === 'search') await listing.refresh()
  }

  watch(viewSettings, (now, before) => {
    const same =
      before &&
      now.sort === before.sort &&
      now.descending === before.descending &&
      now.hidden === before.hidden
    if (!same && activeView.value === 'folder') void open()
  })
  function changeView(change: Partial<typeof viewSettings.value>) {
    viewSettings.value = { ...viewSettings.value, ...change }
  }

  /** Restore what was deleted together. False if it failed or was cancelled. */
  async function restore(trash_id: string) {
    const result = await attemptWithConflict((conflict) => api.restore(trash_id, conflict))
    if (result) await finishOperation(result)
    return result !== null
  }

  async function start() {
    const result = await attempt(api.roots())
    roots.value = result?.roots ?? []
    const known = roots.value.some((root) => isWithin(path.value, root.path))
    if (!known && roots.value[0]) path.value = roots.value[0].path
    await open()
    if (listing.total.value === 0 && parentOf(path.value)) await openRootIfGone()
  }

  /** If the stored folder is gone, open its root. */
  async function openRootIfGone() {
    try {
      await api.list(path.value, { offset: 0, limit: 1 })
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) await go(`/${path.value.split('/')[1]}`)
    }
  }

  // ---- verbs
  const selectedPaths = () => [...selection.selected.value]

  async function makeFolder(name: string): Promise<boolean> {
    const created = await attempt(api.makeFolder(joinPath(path.value, name)))
    if (!created) return false
    await refresh()
    selectPath(joinPath(path.value, name))
    return true
  }

  async function makeText(name: string): Promise<boolean> {
    const created = await attempt(writeText(joinPath(path.value, name), '', null))
    if (!created) return false
    await refresh()
    selectPath(joinPath(path.value, name))
    previewOpen.value = true
    return true
  }

  async function rename(item: Item, name: string) {
    renaming.value = ''
    const to = joinPath(parentOf(item.path), name)
    const result = await attempt(api.rename(item.path, name))
    if (!result) return
    await finishOperation(result)
    if (formatFailures(result.results)) return
    selectPath(to)
    notifications.showUndo(t('files.renamed', { name }), () => {
      void attempt(api.rename(to, item.name)).then(refresh)
    })
  }

  /** Move or copy; asks about name conflicts. */
  async function transfer(paths: string[], to: string, copying: boolean) {
    const movable = paths.filter((one) => one !== to && (copying || parentOf(one) !== to))
    if (movable.length === 0) return
    // A copy in the same folder gets a new name without asking.
    const isDuplicate = copying && movable.every((one) => parentOf(one) === to)
    const verb = copying ? api.copy : api.move
    const result = await attemptWithConflict((conflict) =>
      verb(movable, to, conflict ?? (isDuplicate ? 'rename' : undefined)),
    )
    if (!result) return
    if (!copying) selection.reset()
    await finishOperation(result)
    const moved = copying ? [] : result.results.filter(({ status }) => status === 'done')
    if (moved.length > 0)
      notifications.showUndo(
        t('files.moved', { count: moved.length, folder: nameOf(to) }),
        () => void undoMove(moved),
      )
  }

  /** Move entries back; asks about name conflicts. */
  async function undoMove(moved: api.Result[]) {
    for (const folder of new Set(moved.map((one) => parentOf(one.path)))) {
      const theirs = moved.filter((one) => one.to !== null && parentOf(one.path) === folder)
      const result = await attemptWithConflict((conflict) =>
        api.move(
          theirs.map((one) => one.to!),
          folder,
          conflict,
        ),
      )
      if (result) await finishOperation(result)
    }
  }

  async function extract(item: Item) {
    const result = await attemptWithConflict((conflict) => api.extract(item.path, conflict))
    if (result) await finishOperation(result)
  }

  /** Run an operation; on a name conflict ask and repeat it. Null on failure or cancel. */
  async function attemptWithConflict<T>(verb: (conflict?: api.Conflict) => Promise<T>): Promise<T | null> {
    try {
      return await verb()
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== NAME_CONFLICT) {
        showError(error)
        return null
      }
      const conflict = await conflictDialog.askAboutConflict([])
      return conflict ? attempt(verb(conflict)) : null
    }
  }

  /** Report failures, follow the job, and reload. */
  async function finishOperation({ results, job }: api.OperationResult) {
    if (job) await jobs.follow(job)
    else reportFailures(results)
    await refresh()
  }

  function reportFailures(results: api.Result[]) {
    const faults = formatFailures(results)
    if (faults) notifications.showFailure(faults)
    const leftOut = summarizeLeftOut(results, (reason) => t(`files.leftOut.${reason}`))
    if (leftOut.count) notifications.showFailure(t('files.leftOut.says', leftOut))
  }

  function setClipboard(cutting: boolean) {
    clipboard.value = { paths: selectedPaths(), cut: cutting }
  }

  async function paste() {
    const { paths, cut: cutting } = clipboard.value
    if (paths.length === 0 || activeView.value !== 'folder') return
    if (cutting) clipboard.value = { paths: [], cut: false }
    await transfer(paths, path.value, !cutting)
  }

  async function discard(paths = selectedPaths()) {
    if (paths.length === 0) return
    const result = await attempt(api.deletePaths(paths))
    if (!result) return
    selection.reset()
    await finishOperation(result)
    const message =
      paths.length === 1
        ? t('files.discarded', { name: nameOf(paths[0]!) })
        : t('files.discardedMany', { count: paths.length })
    notifications.showUndo(message, () => {
      void restore(result.trash_id)
    })
  }

  return {
    roots,
    activeView,
    path,
    searchText,
    searchError,
    complete,
    viewSettings,
    listing,
    selection,
    clipboard,
    cutPaths,
    renaming,
    previewOpen,
    writable,
    jobs,
    conflictDialog,
    notifications,
    start,
    go,
    goTo,
    up,
    search,
    selectPath,
    refresh,
    changeView,
    open,
    selectedPaths,
    makeFolder,
    makeText,
    rename,
    transfer,
    restore,
    extract,
    setClipboard,
    paste,
    discard,
  }
}
