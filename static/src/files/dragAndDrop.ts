/** Drag and drop of entries between folders. */

const MIME_TYPE = 'application/x-easel-paths'

export function startDrag(transfer: DataTransfer, paths: string[]) {
  transfer.setData(MIME_TYPE, JSON.stringify(paths))
  transfer.effectAllowed = 'copyMove'
}

export function hasDraggedPaths(event: DragEvent): boolean {
  return event.dataTransfer?.types.includes(MIME_TYPE) ?? false
}

/** Whether files of the user's computer are dragged. */
export function hasDraggedFiles(event: DragEvent): boolean {
  return event.dataTransfer?.types.includes('Files') ?? false
}

export function getDraggedPaths(event: DragEvent): string[] {
  const text = event.dataTransfer?.getData(MIME_TYPE)
  return text ? (JSON.parse(text) as string[]) : []
}
