/** The canvas on the screen, by Konva: the layers on each other, the brush, the line of a shape. */
import Konva from 'konva/lib/Core'
import { Circle } from 'konva/lib/shapes/Circle'
import { Image as KonvaImage } from 'konva/lib/shapes/Image'
import { Line } from 'konva/lib/shapes/Line'

import { corners, type Box, type Point, type Size, type View } from './geometry'
import { handlePoint, HANDLES } from './growth'
import { LAYERS, type LayerName } from './layers'

const OPACITY: Record<LayerName, number> = { picture: 1, control: 0.8, paint: 1, mask: 0.62 }
const CRISP = 3 // screen pixels a picture pixel, from which the picture's pixels are seen as squares
const HANDLE = 6 // pixels of the screen: radius

export type Stage = ReturnType<typeof createStage>

export function createStage(container: HTMLDivElement) {
  const stage = new Konva.Stage({ container, width: 1, height: 1, listening: false })
  const layer = new Konva.Layer({ listening: false })
  const images = Object.fromEntries(
    LAYERS.map((name) => [name, new KonvaImage({ image: undefined, opacity: OPACITY[name] })]),
  ) as Record<LayerName, KonvaImage>
  const cursor = new Circle({ radius: 1, stroke: '#fff', strokeScaleEnabled: false, visible: false })
  cursor.setAttrs({ shadowColor: '#000', shadowBlur: 2, shadowOpacity: 0.9 })
  const handles = HANDLES.map(
    () =>
      new Circle({ radius: 1, fill: '#fff', stroke: '#2b4bc9', strokeScaleEnabled: false, visible: false }),
  )
  const line = { strokeWidth: 1.5, strokeScaleEnabled: false, closed: true, visible: false }
  const lines = [
    new Line({ ...line, stroke: '#000' }),
    new Line({ ...line, stroke: '#fff', dash: [6, 6] }), // seen on dark and on light
  ]
  layer.add(...LAYERS.map((name) => images[name]), ...lines, ...handles, cursor)
  stage.add(layer)

  return {
    /** What a layer shows, at this size; the same canvas is drawn anew by `draw`. */
    setImage(name: LayerName, image: CanvasImageSource, { width, height }: Size) {
      images[name].image(image).size({ width, height })
      layer.batchDraw()
    },
    setShown(shown: readonly LayerName[]) {
      for (const name of LAYERS) images[name].visible(shown.includes(name))
      layer.batchDraw()
    },
    setSize({ width, height }: Size) {
      stage.size({ width, height })
    },
    setView({ scale, x, y }: View) {
      stage.scale({ x: scale, y: scale })
      stage.position({ x, y })
      layer.imageSmoothingEnabled(scale < CRISP)
      for (const handle of handles) handle.radius(HANDLE / scale)
      layer.batchDraw()
    },
    /** Show the brush at a point of the picture; null: nowhere. */
    setCursor(at: Point | null, diameter = 1) {
      cursor.setAttrs({ visible: at !== null, radius: diameter / 2, ...(at ?? {}) })
      layer.batchDraw()
    },
    /** Show a closed line; empty: none. */
    setLine(points: readonly Point[]) {
      const flat = points.flatMap(({ x, y }) => [x, y])
      for (const each of lines) each.points(flat).visible(points.length > 1)
      layer.batchDraw()
    },
    /** Show the frame with its handles; null: none. */
    setFrame(box: Box | null) {
      const end = box && { x: box.x + box.width, y: box.y + box.height }
      this.setLine(box && end ? corners(box, end) : [])
      for (const [at, handle] of handles.entries()) {
        handle.visible(box !== null)
        if (box) handle.position(handlePoint(HANDLES[at]!, box))
      }
    },
    draw: () => layer.batchDraw(),
    destroy: () => stage.destroy(),
  }
}
