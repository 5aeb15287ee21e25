/** Keys of the gallery and of the comparison. */

export type ChoosingAction =
  | {
      act:
        'star' | 'reject' | 'compare' | 'mark' | 'open' | 'variations' | 'hires' | 'close' | 'board' | 'plot'
    }
  | { act: 'stars'; stars: number }
  | { act: 'pick'; number: number } // from 0

const BY_KEY: Record<string, Exclude<ChoosingAction['act'], 'stars' | 'pick'>> = {
  s: 'star',
  x: 'reject',
  c: 'compare',
  ' ': 'mark',
  enter: 'open',
  v: 'variations',
  h: 'hires',
  b: 'board',
  g: 'plot',
  escape: 'close',
}
const MAX_STARS = 5

type Key = Pick<KeyboardEvent, 'key' | 'code' | 'shiftKey' | 'ctrlKey' | 'metaKey' | 'altKey'>

/** What a key asks for; null for others. 1–9 pick a picture, with Shift 0–5 give so many stars. */
export function actionOfKey({ key, code, shiftKey, ctrlKey, metaKey, altKey }: Key): ChoosingAction | null {
  if (ctrlKey || metaKey || altKey) return null
  const digit = /^(?:Digit|Numpad)(\d)$/.exec(code)?.[1]
  if (digit !== undefined && shiftKey)
    return Number(digit) <= MAX_STARS ? { act: 'stars', stars: Number(digit) } : null
  if (digit !== undefined) return digit === '0' ? null : { act: 'pick', number: Number(digit) - 1 }
  const act = BY_KEY[key.toLowerCase()]
  return act ? { act } : null
}
