/** A mask or a sketch: acts on a canvas of the picture's size; undoing is doing all but the last. */

export interface Point {
  x: number // pixels of the picture
  y: number
}

export type Act =
  | { kind: 'stroke'; points: Point[]; size: number; erase: boolean; colour: string } // size: diameter
  | { kind: 'picture'; picture: CanvasImageSource } // a mask from a file, painted as is
  | { kind: 'invert' }
  | { kind: 'clear' }

/** Do one act. What is opaque on the canvas is what will be repainted. */
export function act(on: CanvasRenderingContext2D, what: Act) {
  const { width, height } = on.canvas
  on.save()
  if (what.kind === 'stroke') drawn(on, what)
  if (what.kind === 'clear') on.clearRect(0, 0, width, height)
  if (what.kind === 'picture') on.drawImage(what.picture, 0, 0, width, height)
  if (what.kind === 'invert') {
    // Where there is something it goes away, where there is nothing it comes.
    on.globalCompositeOperation = 'xor'
    on.fillStyle = '#fff'
    on.fillRect(0, 0, width, height)
  }
  on.restore()
}

function drawn(
  on: CanvasRenderingContext2D,
  { points, size, erase, colour }: Extract<Act, { kind: 'stroke' }>,
) {
  const [first, ...rest] = points
  if (!first) return
  on.globalCompositeOperation = erase ? 'destination-out' : 'source-over'
  on.strokeStyle = colour
  on.lineWidth = size
  on.lineCap = 'round'
  on.lineJoin = 'round'
  on.beginPath()
  if (rest.length === 0) {
    // A line without a length is not drawn; a tap leaves a dot.
    on.fillStyle = colour
    on.arc(first.x, first.y, size / 2, 0, 2 * Math.PI)
    return on.fill()
  }
  on.moveTo(first.x, first.y)
  for (const { x, y } of rest) on.lineTo(x, y)
  on.stroke()
}

/** All acts anew on an empty canvas. */
export function redo(on: CanvasRenderingContext2D, acts: readonly Act[]) {
  on.clearRect(0, 0, on.canvas.width, on.canvas.height)
  for (const what of acts) act(on, what)
}

/** An empty canvas of a picture's size. */
export function sheetFor({ width, height }: { width: number; height: number }) {
  const sheet = document.createElement('canvas')
  Object.assign(sheet, { width, height })
  return { sheet, on: sheet.getContext('2d')! }
}

/** What is painted, all of it in one colour. */
export function tintedWith(painted: HTMLCanvasElement, colour: string): HTMLCanvasElement {
  const { sheet, on } = sheetFor(painted)
  on.drawImage(painted, 0, 0)
  on.globalCompositeOperation = 'source-in'
  on.fillStyle = colour
  on.fillRect(0, 0, sheet.width, sheet.height)
  return sheet
}

/**
 * The mask as the service takes it: white on black, or grey where only a `share` of the new is to
 * show; null when nothing is painted.
 */
export function exported(painted: HTMLCanvasElement, share = 1): string | null {
  const { sheet: whole, on } = sheetFor(painted)
  const grey = Math.round(255 * share)
  on.fillStyle = '#000'
  on.fillRect(0, 0, whole.width, whole.height)
  on.drawImage(tintedWith(painted, `rgb(${grey} ${grey} ${grey})`), 0, 0)
  const { data } = on.getImageData(0, 0, whole.width, whole.height)
  for (let at = 0; at < data.length; at += 4) if (data[at]! > 0) return whole.toDataURL('image/png')
  return null
}

/** A mask file, black made transparent and white opaque, so that it can be painted upon. */
export async function fromFile(file: Blob): Promise<HTMLCanvasElement> {
  const bitmap = await createImageBitmap(file)
  const { sheet: canvas, on } = sheetFor(bitmap)
  on.drawImage(bitmap, 0, 0)
  bitmap.close()
  const pixels = on.getImageData(0, 0, canvas.width, canvas.height)
  const { data } = pixels
  for (let at = 0; at < data.length; at += 4) {
    const bright = (Math.max(data[at]!, data[at + 1]!, data[at + 2]!) * data[at + 3]!) / 255
    data.set([255, 255, 255, bright], at)
  }
  on.putImageData(pixels, 0, 0)
  return canvas
}
