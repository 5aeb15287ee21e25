/** Composes a picture with a colour sketch. */
import { createCanvas } from './maskActions'

/** How the sketch is blended; by default as shown. */
export interface PaintOptions {
  blur: number // of its edge, in pixels of the picture
  share: number // how much of it covers, 0..1
}

/** PNG data URI of the picture and its sketch, blurred as AUTOMATIC1111 does. */
export function composeSketch(
  picture: HTMLImageElement,
  painted: HTMLCanvasElement,
  { blur, share }: PaintOptions = { blur: 0, share: 1 },
): string {
  const { canvas, context } = createCanvas(painted)
  context.drawImage(picture, 0, 0)
  context.globalAlpha = share
  context.drawImage(blur > 0 ? blurPaint(picture, painted, blur) : painted, 0, 0)
  return canvas.toDataURL('image/png')
}

/** The sketch blurred with its surroundings; transparent where nothing is painted. */
function blurPaint(picture: HTMLImageElement, painted: HTMLCanvasElement, blur: number) {
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
