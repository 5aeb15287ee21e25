/** Pictures that are dragged within the gallery. */

const TYPE = 'application/x-easel-pictures'

export function startDrag(event: DragEvent, paths: readonly string[]) {
  if (!event.dataTransfer || !paths.length) return event.preventDefault()
  event.dataTransfer.setData(TYPE, JSON.stringify(paths))
  event.dataTransfer.effectAllowed = 'copy'
}

/** Whether pictures of the gallery are over something. */
export function holdsPictures(event: Pick<DragEvent, 'dataTransfer'>): boolean {
  return event.dataTransfer?.types.includes(TYPE) ?? false
}

/** The paths that were dropped; none where it was something else. */
export function droppedPaths(event: Pick<DragEvent, 'dataTransfer'>): string[] {
  try {
    const given: unknown = JSON.parse(event.dataTransfer?.getData(TYPE) ?? '')
    return Array.isArray(given) ? given.filter((path): path is string => typeof path === 'string') : []
  } catch {
    return []
  }
}
