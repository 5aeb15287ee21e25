/** Actions on a mask or sketch canvas of the picture's size; undo replays all but the last. */

export interface Point {
  x: number // pixels of the picture
  y: number
}

export type MaskAction =
  | { kind: 'stroke'; points: Point[]; size: number; erase: boolean; colour: string } // size: diameter
  | { kind: 'picture'; picture: CanvasImageSource } // a mask from a file, painted as is
  | { kind: 'invert' }
  | { kind: 'clear' }

/** Apply one action. Opaque pixels of the canvas are inpainted. */
export function applyAction(context: CanvasRenderingContext2D, action: MaskAction) {
  const { width, height } = context.canvas
  context.save()
  if (action.kind === 'stroke') drawStroke(context, action)
  if (action.kind === 'clear') context.clearRect(0, 0, width, height)
  if (action.kind === 'picture') context.drawImage(action.picture, 0, 0, width, height)
  if (action.kind === 'invert') {
    // XOR with a full rectangle inverts the alpha.
    context.globalCompositeOperation = 'xor'
    context.fillStyle = '#fff'
    context.fillRect(0, 0, width, height)
  }
  context.restore()
}

function drawStroke(
  context: CanvasRenderingContext2D,
  { points, size, erase, colour }: Extract<MaskAction, { kind: 'stroke' }>,
) {
  const [first, ...rest] = points
  if (!first) return
  context.globalCompositeOperation = erase ? 'destination-out' : 'source-over'
  context.strokeStyle = colour
  context.lineWidth = size
  context.lineCap = 'round'
  context.lineJoin = 'round'
  context.beginPath()
  if (rest.length === 0) {
    // Canvas does not draw a line of zero length: a tap is drawn as a dot.
    context.fillStyle = colour
    context.arc(first.x, first.y, size / 2, 0, 2 * Math.PI)
    return context.fill()
  }
  context.moveTo(first.x, first.y)
  for (const { x, y } of rest) context.lineTo(x, y)
  context.stroke()
}

/** Clear the canvas and apply all actions again. */
export function replayActions(context: CanvasRenderingContext2D, actions: readonly MaskAction[]) {
  context.clearRect(0, 0, context.canvas.width, context.canvas.height)
  for (const action of actions) applyAction(context, action)
}

/** Create an empty canvas. */
export function createCanvas({ width, height }: { width: number; height: number }) {
  const canvas = document.createElement('canvas')
  Object.assign(canvas, { width, height })
  return { canvas, context: canvas.getContext('2d')! }
}

/** A copy of the painted canvas in one colour. */
export function tint(painted: HTMLCanvasElement, colour: string): HTMLCanvasElement {
  const { canvas, context } = createCanvas(painted)
  context.drawImage(painted, 0, 0)
  context.globalCompositeOperation = 'source-in'
  context.fillStyle = colour
  context.fillRect(0, 0, canvas.width, canvas.height)
  return canvas
}

/**
 * The mask as the service takes it: white on black, or grey where only a `share` of the new is to
 * show; null when nothing is painted.
 */
export function exportMask(painted: HTMLCanvasElement, share = 1): string | null {
  const { canvas: whole, context } = createCanvas(painted)
  const grey = Math.round(255 * share)
  context.fillStyle = '#000'
  context.fillRect(0, 0, whole.width, whole.height)
  context.drawImage(tint(painted, `rgb(${grey} ${grey} ${grey})`), 0, 0)
  const { data } = context.getImageData(0, 0, whole.width, whole.height)
  for (let at = 0; at < data.length; at += 4) if (data[at]! > 0) return whole.toDataURL('image/png')
  return null
}

/** Load a mask file: black becomes transparent, white opaque. */
export async function loadMask(file: Blob): Promise<HTMLCanvasElement> {
  const bitmap = await createImageBitmap(file)
  const { canvas, context } = createCanvas(bitmap)
  context.drawImage(bitmap, 0, 0)
  bitmap.close()
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height)
  const { data } = pixels
  for (let at = 0; at < data.length; at += 4) {
    const bright = (Math.max(data[at]!, data[at + 1]!, data[at + 2]!) * data[at + 3]!) / 255
    data.set([255, 255, 255, bright], at)
  }
  context.putImageData(pixels, 0, 0)
  return canvas
}
