/** Views of a folder, and the size of an entry in each. */

export type View = 'list' | 'grid' | 'gallery'
export const VIEWS: readonly View[] = ['list', 'grid', 'gallery']

export interface ViewLayout {
  columns: number
  row: number // pixels
}

const ROW_HEIGHT = 44 // pixels; a finger hits it too
const TILE_SIZE = { width: 148, height: 176 } // pixels, at least so wide
const PICTURE_SIZE = { width: 216, height: 236 }

/** Columns and row height for a view of this width in pixels. */
export function layoutFor(view: View, width: number): ViewLayout {
  if (view === 'list') return { columns: 1, row: width < 560 ? 56 : ROW_HEIGHT }
  const tile = view === 'grid' ? TILE_SIZE : PICTURE_SIZE
  const columns = Math.max(2, Math.floor(width / tile.width))
  // Two beside each other on a phone, and no taller than they are wide.
  const row = Math.min(tile.height, Math.round(width / columns) + (view === 'grid' ? 44 : 20))
  return { columns, row }
}
