/** Suggested sizes of equal area for a checkpoint's default size. */

export interface Shape {
  ratio: string
  width: number
  height: number
}

const RATIOS: [number, number][] = [
  [1, 1],
  [4, 3],
  [3, 4],
  [16, 9],
  [9, 16],
]
const MIN_SIZE = 64 // pixels of a side that is suggested
const MAX_FITTED = 2048 // pixels of the longer side that is taken over from a picture
const STEP = 8 // pixels: the service draws the next smaller multiple

/** One size for each aspect ratio, in multiples of 64; of 16 for small checkpoints. */
export function suggestSizes(side: number): Shape[] {
  const unit = side >= 512 ? 64 : 16
  return RATIOS.map(([across, down]) => {
    const width = side * Math.sqrt(across / down)
    const fit = (pixels: number) => Math.max(MIN_SIZE, Math.round(pixels / unit) * unit)
    return { ratio: `${across}:${down}`, width: fit(width), height: fit((side * side) / width) }
  })
}

/** The size that is drawn, `1024 × 768`, where it is not the one that is asked for. */
export function roundedSize(width: number, height: number): string {
  const [across, down] = [width, height].map((side) => side - (side % STEP))
  return across === width && down === height ? '' : `${across} × ${down}`
}

/** The size that a picture is redrawn at: its own in the service's steps, a large one's in proportion. */
export function fitSize(width: number, height: number): { width: number; height: number } {
  const ratio = Math.min(1, MAX_FITTED / Math.max(width, height))
  const fit = (side: number) => Math.max(STEP, Math.round((side * ratio) / STEP) * STEP)
  return { width: fit(width), height: fit(height) }
}

/** `1024x768`, as pasted into a size field; null for anything else. */
export function parseSize(text: string): { width: number; height: number } | null {
  const match = /^\s*(\d{2,4})\s*[x×*,]\s*(\d{2,4})\s*$/i.exec(text)
  return match ? { width: Number(match[1]), height: Number(match[2]) } : null
}
