/** From a pointer's points to the dabs of a brush: pressure, smoothing and spacing. */
import { distance, middle, type Point } from './geometry'

/** One touch of the brush, in pixels of the picture. */
export interface Dab extends Point {
  size: number // diameter
}

const LIGHTEST = 0.1 // share of the size that the lightest touch of a pen draws
const SPACING = 0.1 // of two dabs, as a share of their size
const OVERLAP = 6 // dabs that lie on each other in the middle of a stroke

/** The diameter that a pen draws with; `pressure` 0..1. */
export function dabSize(size: number, pressure: number): number {
  return Math.max(1, size * (LIGHTEST + (1 - LIGHTEST) * Math.min(Math.max(pressure, 0), 1)))
}

/** Dabs on the curve from `from` towards `through` to `to`; `from` is left out, `to` is the last. */
export function curveDabs(from: Dab, through: Dab, to: Dab): Dab[] {
  const length = distance(from, through) + distance(through, to)
  const spacing = Math.max(0.5, Math.min(from.size, to.size) * SPACING)
  const count = Math.max(1, Math.ceil(length / spacing))
  return Array.from({ length: count }, (_, at) => {
    const t = (at + 1) / count
    const bend = (a: number, b: number, c: number) => (1 - t) ** 2 * a + 2 * t * (1 - t) * b + t ** 2 * c
    return {
      x: bend(from.x, through.x, to.x),
      y: bend(from.y, through.y, to.y),
      size: bend(from.size, through.size, to.size),
    }
  })
}

function between(a: Dab, b: Dab): Dab {
  return { ...middle(a, b), size: (a.size + b.size) / 2 }
}

/**
 * A stroke through points as they come. It runs from middle to middle of them, bent towards each,
 * so that corners of a quick hand are round; it is thus half a step behind until it is finished.
 */
export function createStroke() {
  let last: Dab | null = null // the latest point
  let end: Dab | null = null // where what is drawn ends

  return {
    /** Dabs to draw for one more point. */
    extend(dab: Dab): Dab[] {
      if (!last || !end) {
        last = end = dab
        return [dab]
      }
      if (distance(last, dab) === 0) return []
      const to = between(last, dab)
      const dabs = curveDabs(end, last, to)
      last = dab
      end = to
      return dabs
    },
    /** Dabs up to the last point. */
    finish(): Dab[] {
      return last && end && distance(last, end) > 0 ? curveDabs(end, between(end, last), last) : []
    },
  }
}

/** Opacity at shares of a dab's radius, from the middle (0) to the edge (1). */
export type Stops = [at: number, opacity: number][]

/**
 * How a dab fades: opaque in the middle, to nothing over the outer `softness` (0..1) of its radius.
 * Dabs `within` a stroke lie on each other and are the fainter, so that the stroke fades alike.
 */
export function softStops(softness: number, within: boolean): Stops {
  const core = 1 - softness
  return Array.from({ length: 9 }, (_, at) => {
    const share = at / 8
    const opacity = 1 - share * share * (3 - 2 * share)
    return [core + share * softness, within ? 1 - (1 - opacity) ** (1 / OVERLAP) : opacity]
  })
}
