/** Entries on the way from one folder to another, in the hand of the pointer. */

const TYPE = 'application/x-easel-paths'

export function lift(transfer: DataTransfer, paths: string[]) {
  transfer.setData(TYPE, JSON.stringify(paths))
  transfer.effectAllowed = 'copyMove'
}

export function carriesPaths(event: DragEvent): boolean {
  return event.dataTransfer?.types.includes(TYPE) ?? false
}

/** Whether files of the reader's own computer are dragged. */
export function carriesFiles(event: DragEvent): boolean {
  return event.dataTransfer?.types.includes('Files') ?? false
}

export function carried(event: DragEvent): string[] {
  const text = event.dataTransfer?.getData(TYPE)
  return text ? (JSON.parse(text) as string[]) : []
}
