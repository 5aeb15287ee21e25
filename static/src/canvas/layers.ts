/** The layers of the canvas, and which of them a way of drawing has. */
import type { Mode } from '../img2img/modes'

/** From below to above. */
export const LAYERS = ['picture', 'control', 'paint', 'mask'] as const
export type LayerName = (typeof LAYERS)[number]
export type Paintable = Exclude<LayerName, 'picture'>
export const PAINTABLES = ['control', 'paint', 'mask'] as const
export const MASK_COLOUR = '#3f66ff' // as it is shown; only its opacity is sent
export type PaintMode = Exclude<Mode, 'image' | 'batch'>

const BY_MODE: Record<PaintMode, readonly LayerName[]> = {
  sketch: ['picture', 'paint'],
  inpaint: ['picture', 'paint', 'mask'],
  inpaintSketch: ['picture', 'paint', 'mask'],
}

/** The layer that one paints on first. */
export function firstLayer(mode: PaintMode): Paintable {
  return mode === 'inpaint' ? 'mask' : 'paint'
}

/** `hasMap`: whether a control map lies on the canvas. */
export function layersOf(mode: PaintMode, hasMap = false): LayerName[] {
  return LAYERS.filter((layer) => BY_MODE[mode].includes(layer) || (layer === 'control' && hasMap))
}

/** What makes the mask of a request: a layer, and how much of the new shows where it is opaque. */
export interface MaskPart {
  layer: Paintable
  share: number // 0..1
}

/** Nothing that is hidden is sent; in inpaint sketch, what is painted is drawn anew as well. */
export function maskParts(mode: PaintMode, hidden: ReadonlySet<LayerName>, share: number): MaskPart[] {
  const parts: MaskPart[] = mode === 'inpaintSketch' ? [{ layer: 'paint', share }] : []
  if (mode !== 'sketch') parts.push({ layer: 'mask', share: 1 })
  return parts.filter(({ layer }) => !hidden.has(layer))
}

/** Whether paint lies on the picture that is sent. */
export function sendsPaint(mode: PaintMode, hidden: ReadonlySet<LayerName>): boolean {
  return layersOf(mode).includes('paint') && !hidden.has('paint')
}
