/** Where a picker of models opens, and how its cards are laid out. Sizes in pixels. */

export interface Box {
  left: number
  top: number
  width: number
  height: number
}

const EDGE = 14 // between the picker and the window's edges
const WIDEST = 860
const TALLEST = 620
const CARD = { width: 128, text: 46, gap: 10 } // as narrow as a card may be; its lines of text
export const PHONE = 640 // a window so narrow is filled by the picker

/** Below the field that opens it as far as there is room, never beyond the window. */
export function placePicker(
  field: Pick<Box, 'left' | 'top' | 'height'>,
  window: Pick<Box, 'width' | 'height'>,
): Box {
  const width = Math.min(WIDEST, window.width - 2 * EDGE)
  const height = Math.min(TALLEST, window.height - 2 * EDGE)
  const within = (wanted: number, most: number) => Math.max(EDGE, Math.min(wanted, most - EDGE))
  return {
    left: within(field.left, window.width - width),
    top: within(field.top + field.height + 6, window.height - height),
    width,
    height,
  }
}

/** Columns of cards in this width, and the height of a row with the gap below it. */
export function layOutCards(width: number): { columns: number; row: number } {
  const columns = Math.max(2, Math.floor((width + CARD.gap) / (CARD.width + CARD.gap)))
  const card = (width - CARD.gap * (columns - 1)) / columns
  return { columns, row: Math.max(1, Math.round(card + CARD.text + CARD.gap)) }
}
