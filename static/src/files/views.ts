/** The three ways to look at a folder, and the room that an entry takes in each. */

export type View = 'list' | 'grid' | 'gallery'
export const VIEWS: readonly View[] = ['list', 'grid', 'gallery']

export interface Room {
  columns: number
  row: number // pixels
}

const ROW = 44 // pixels; a finger hits it too
const TILE = { width: 148, height: 176 } // pixels, at least so wide
const PICTURE = { width: 216, height: 236 }

/** How entries are laid out in a list so wide. */
export function roomOf(view: View, width: number): Room {
  if (view === 'list') return { columns: 1, row: width < 560 ? 56 : ROW }
  const tile = view === 'grid' ? TILE : PICTURE
  const columns = Math.max(2, Math.floor(width / tile.width))
  // Two beside each other on a phone, and no taller than they are wide.
  const row = Math.min(tile.height, Math.round(width / columns) + (view === 'grid' ? 44 : 20))
  return { columns, row }
}
