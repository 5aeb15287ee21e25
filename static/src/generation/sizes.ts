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
export const MIN_SIZE = 64 // pixels, as the service accepts
export const MAX_SIZE = 2048

/** One size for each aspect ratio, in multiples of 64; of 16 for small checkpoints. */
export function suggestSizes(side: number): Shape[] {
  const unit = side >= 512 ? 64 : 16
  return RATIOS.map(([across, down]) => {
    const width = side * Math.sqrt(across / down)
    const fit = (pixels: number) => Math.max(MIN_SIZE, Math.round(pixels / unit) * unit)
    return { ratio: `${across}:${down}`, width: fit(width), height: fit((side * side) / width) }
  })
}

/** `1024x768`, as pasted into a size field; null for anything else. */
export function parseSize(text: string): { width: number; height: number } | null {
  const match = /^\s*(\d{2,4})\s*[x×*,]\s*(\d{2,4})\s*$/i.exec(text)
  return match ? { width: Number(match[1]), height: Number(match[2]) } : null
}
