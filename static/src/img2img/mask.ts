/** A mask as a list of acts on a canvas of the picture's size; undoing is doing all but the last. */

export interface Point {
  x: number // pixels of the picture
  y: number
}

export type Act =
  | { kind: 'stroke'; points: Point[]; size: number; erase: boolean } // size: diameter in pixels
  | { kind: 'picture'; picture: CanvasImageSource } // a mask from a file, painted as is
  | { kind: 'invert' }
  | { kind: 'clear' }

/** Do one act. What is opaque on the canvas is what will be repainted. */
export function act(on: CanvasRenderingContext2D, what: Act) {
  const { width, height } = on.canvas
  on.save()
  if (what.kind === 'stroke') drawn(on, what.points, what.size, what.erase)
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

function drawn(on: CanvasRenderingContext2D, points: Point[], size: number, erase: boolean) {
  const [first, ...rest] = points
  if (!first) return
  on.globalCompositeOperation = erase ? 'destination-out' : 'source-over'
  on.strokeStyle = '#fff'
  on.lineWidth = size
  on.lineCap = 'round'
  on.lineJoin = 'round'
  on.beginPath()
  on.moveTo(first.x, first.y)
  if (rest.length === 0) on.lineTo(first.x, first.y)
  for (const { x, y } of rest) on.lineTo(x, y)
  on.stroke()
}

/** All acts anew on an empty canvas. */
export function redo(on: CanvasRenderingContext2D, acts: readonly Act[]) {
  on.clearRect(0, 0, on.canvas.width, on.canvas.height)
  for (const what of acts) act(on, what)
}

/** The mask as the service takes it: white on black; null when nothing is painted. */
export function exported(painted: HTMLCanvasElement): string | null {
  const whole = document.createElement('canvas')
  Object.assign(whole, { width: painted.width, height: painted.height })
  const on = whole.getContext('2d')!
  on.fillStyle = '#000'
  on.fillRect(0, 0, whole.width, whole.height)
  on.drawImage(painted, 0, 0)
  const { data } = on.getImageData(0, 0, whole.width, whole.height)
  for (let at = 0; at < data.length; at += 4) if (data[at]! > 0) return whole.toDataURL('image/png')
  return null
}

/** A mask file, black made transparent and white opaque, so that it can be painted upon. */
export async function fromFile(file: Blob): Promise<HTMLCanvasElement> {
  const bitmap = await createImageBitmap(file)
  const canvas = document.createElement('canvas')
  Object.assign(canvas, { width: bitmap.width, height: bitmap.height })
  const on = canvas.getContext('2d')!
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
