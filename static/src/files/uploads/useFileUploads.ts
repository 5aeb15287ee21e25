/** Uploads of the files tab: files picked or dropped, folder suggestions, names that are taken. */
import { shallowRef, watch } from 'vue'
import { useI18n } from 'vue-i18n'

import { toApiError } from '../../api/client'
import type { UnfinishedUpload } from '../api'
import { displayName, nameOf } from '../paths'
import type { FileManager } from '../useFileManager'
import { readFileList, type PickedFile } from './droppedFiles'
import { suggestFolders } from './folderSuggestions'
import { holdSidecars, releaseSidecars, type HeldSidecars } from './heldSidecars'
import { useUploads } from './useUploads'

const SAME_DROP_MS = 400 // other conflicts of one drop come within it, and are asked about together

export type FileUploads = ReturnType<typeof useFileUploads>

export function useFileUploads(manager: FileManager) {
  const { t } = useI18n()
  const { path, activeView, conflictDialog, notifications } = manager
  const { attempt } = notifications
  const uploads = useUploads({
    describeFailure: (status, body) => notifications.textOf(toApiError(status, body)),
    onDone: () => void manager.refresh(),
    onTaken: () => void resolveConflicts(),
  })
  const { rows } = uploads
  const folderSuggestion = shallowRef<{ brought: PickedFile[]; folder: string } | null>(null)
  let isAsking = false

  async function upload(files: PickedFile[], folder = path.value) {
    if (files.length === 0) return
    if (activeView.value !== 'folder') await manager.go(path.value)
    const brought = await suggestFolders(files, folder)
    if (brought.some(({ suggested }) => suggested)) folderSuggestion.value = { brought, folder }
    else await send(brought, folder)
  }

  async function uploadSuggested(files: PickedFile[]) {
    const { folder } = folderSuggestion.value!
    folderSuggestion.value = null
    await send(files, folder)
  }

  let held: (HeldSidecars & { id: string })[] = [] // by the upload of their weights
  const keptBoth = new Set<string>() // uploads that get another name

  /** What lies beside weights follows them, under the name that they get. */
  async function send(files: (PickedFile & { to?: string })[], folder: string) {
    const { now, held: more } = holdSidecars(files, folder)
    await attempt(uploads.add(now, folder))
    const idOf = (path: string) => rows.value.find((row) => row.path === path)?.id ?? ''
    held = [...held, ...more.map((one) => ({ ...one, id: idOf(one.weights) }))]
    releaseHeld()
  }

  function releaseHeld() {
    const waiting = held
    held = []
    for (const one of waiting) {
      const row = rows.value.find(({ id }) => id === one.id)
      const released = releaseSidecars(one, row, keptBoth.has(one.id))
      if (released === null) held.push(one)
      else if (released.length > 0) {
        const files = released.map((file) => ({ file, inner: '' }))
        void attempt(uploads.add(files, one.folder))
      }
    }
  }
  watch(rows, releaseHeld)

  function onFilesPicked(event: Event) {
    const input = event.target as HTMLInputElement
    const files = readFileList(input.files ?? [])
    input.value = '' // the same file may be picked again
    void upload(files)
  }

  async function resolveConflicts() {
    if (isAsking) return
    isAsking = true
    await new Promise((done) => setTimeout(done, SAME_DROP_MS))
    const names = rows.value.filter(({ state }) => state === 'taken').map((row) => nameOf(row.path))
    const choice = await conflictDialog.askAboutConflict(names)
    isAsking = false
    for (const { id, state } of rows.value) {
      if (state !== 'taken') continue
      if (choice === 'rename') keptBoth.add(id)
      if (choice) uploads.resolve(id, choice)
      else uploads.cancel(id)
    }
  }

  async function resumeUpload(one: UnfinishedUpload, file: File) {
    if (await uploads.resume(one, file)) return
    notifications.showWarning(t('files.up.another', { name: displayName(nameOf(one.path)) }))
  }

  return { uploads, folderSuggestion, upload, uploadSuggested, onFilesPicked, resumeUpload }
}
