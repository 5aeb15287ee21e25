/** A picture with colours painted over it, as it is sent. */
import { sheetFor } from './mask'

/** How the paint is laid on; without it, as it is seen. */
export interface Laying {
  blur: number // of its edge, in pixels of the picture
  share: number // how much of it covers, 0..1
}

/** PNG as a data URI: the picture under its paint, which is blurred as AUTOMATIC1111 blurs it. */
export function sketched(
  picture: HTMLImageElement,
  painted: HTMLCanvasElement,
  { blur, share }: Laying = { blur: 0, share: 1 },
): string {
  const { sheet, on } = sheetFor(painted)
  on.drawImage(picture, 0, 0)
  on.globalAlpha = share
  on.drawImage(blur > 0 ? softened(picture, painted, blur) : painted, 0, 0)
  return sheet.toDataURL('image/png')
}

/** The paint with what lies around it, both blurred; clear where there is none. */
function softened(picture: HTMLImageElement, painted: HTMLCanvasElement, blur: number) {
  const flat = sheetFor(painted)
  flat.on.drawImage(picture, 0, 0)
  flat.on.drawImage(painted, 0, 0)
  const soft = sheetFor(painted)
  soft.on.filter = `blur(${blur}px)` // a browser that does not know it leaves a hard edge
  soft.on.drawImage(flat.sheet, 0, 0)
  soft.on.globalCompositeOperation = 'destination-in'
  soft.on.drawImage(painted, 0, 0)
  return soft.sheet
}
