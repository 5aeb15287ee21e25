/** What the service is sent of the layers, and masks from files. */
import type { Size } from './geometry'
import { grownSize, type Growth } from './growth'
import { createCanvas, tint } from './painting'

/** A painted layer, and how much of the new shows where it is opaque (0..1). */
export interface MaskSource {
  painted: HTMLCanvasElement
  share: number
}

/** The mask as the service takes it: white on black, grey for shares; null where nothing is painted. */
export function exportMask(size: Size, sources: readonly MaskSource[]): string | null {
  const { canvas, context } = createCanvas(size)
  context.fillStyle = '#000'
  context.fillRect(0, 0, size.width, size.height)
  context.globalCompositeOperation = 'lighten' // the larger share where two lie on each other
  for (const { painted, share } of sources) {
    const grey = Math.round(255 * share)
    context.drawImage(tint(painted, `rgb(${grey} ${grey} ${grey})`), 0, 0)
  }
  const { data } = context.getImageData(0, 0, size.width, size.height)
  for (let at = 0; at < data.length; at += 4) if (data[at]! > 0) return canvas.toDataURL('image/png')
  return null
}

/** The picture in its frame; beyond it the colours of its edge go on. */
export function composeFrame(picture: HTMLImageElement, growth: Growth): HTMLCanvasElement {
  const { naturalWidth: width, naturalHeight: height } = picture
  const { left, up, right, down } = growth
  const { canvas, context } = createCanvas(grownSize({ width, height }, growth))
  const columns = [
    [0, 1, 0, left],
    [0, width, left, width],
    [width - 1, 1, left + width, right],
  ] as const // from, length, to, length
  const rows = [
    [0, 1, 0, up],
    [0, height, up, height],
    [height - 1, 1, up + height, down],
  ] as const
  context.imageSmoothingEnabled = false
  for (const [x, across, toX, width] of columns)
    for (const [y, along, toY, height] of rows)
      if (width && height) context.drawImage(picture, x, y, across, along, toX, toY, width, height)
  return canvas
}

/** A control map: what is painted, on black. */
export function exportMap(painted: HTMLCanvasElement): string {
  const { canvas, context } = createCanvas(painted)
  context.fillStyle = '#000'
  context.fillRect(0, 0, canvas.width, canvas.height)
  context.drawImage(painted, 0, 0)
  return canvas.toDataURL('image/png')
}

/** Load a mask: black becomes transparent, white opaque, in `colour`. */
export async function loadMask(file: Blob, colour: string): Promise<HTMLCanvasElement> {
  const bitmap = await createImageBitmap(file)
  const { canvas, context } = createCanvas(bitmap)
  context.drawImage(bitmap, 0, 0)
  bitmap.close()
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height)
  const { data } = pixels
  for (let at = 0; at < data.length; at += 4) {
    const brightest = Math.max(data[at]!, data[at + 1]!, data[at + 2]!)
    data[at + 3] = (brightest * data[at + 3]!) / 255
  }
  context.putImageData(pixels, 0, 0)
  return tint(canvas, colour)
}

/** How paint is blended into the picture; by default as shown. */
export interface PaintOptions {
  blur: number // of its edge, in pixels of the picture
  share: number // how much of it covers, 0..1
}

/** PNG data URI of the picture with its paint, blurred as AUTOMATIC1111 does. */
export function composePaint(
  picture: CanvasImageSource,
  painted: HTMLCanvasElement,
  { blur, share }: PaintOptions = { blur: 0, share: 1 },
): string {
  const { canvas, context } = createCanvas(painted)
  context.drawImage(picture, 0, 0)
  context.globalAlpha = share
  context.drawImage(blur > 0 ? blurPaint(picture, painted, blur) : painted, 0, 0)
  return canvas.toDataURL('image/png')
}

/** The paint blurred with its surroundings; transparent where nothing is painted. */
function blurPaint(picture: CanvasImageSource, painted: HTMLCanvasElement, blur: number) {
  const flat = createCanvas(painted)
  flat.context.drawImage(picture, 0, 0)
  flat.context.drawImage(painted, 0, 0)
  const soft = createCanvas(painted)
  soft.context.filter = `blur(${blur}px)` // a browser that does not know it leaves a hard edge
  soft.context.drawImage(flat.canvas, 0, 0)
  soft.context.globalCompositeOperation = 'destination-in'
  soft.context.drawImage(painted, 0, 0)
  return soft.canvas
}
