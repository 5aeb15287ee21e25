/** Shapes of equal area around the size that a checkpoint draws best. */

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
export const SMALLEST = 64 // pixels, as the service accepts
export const LARGEST = 2048

/** One shape a ratio. Large models like multiples of 64, small ones are left finer steps. */
export function shapes(side: number): Shape[] {
  const unit = side >= 512 ? 64 : 16
  return RATIOS.map(([across, down]) => {
    const width = side * Math.sqrt(across / down)
    const fit = (pixels: number) => Math.max(SMALLEST, Math.round(pixels / unit) * unit)
    return { ratio: `${across}:${down}`, width: fit(width), height: fit((side * side) / width) }
  })
}

/** `1024x768`, as pasted into a size field; null for anything else. */
export function pastedSize(text: string): { width: number; height: number } | null {
  const found = /^\s*(\d{2,4})\s*[x×*,]\s*(\d{2,4})\s*$/i.exec(text)
  return found ? { width: Number(found[1]), height: Number(found[2]) } : null
}
