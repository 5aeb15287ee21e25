import { expect, test } from 'vitest'

import { firstLayer, layersOf, maskParts, sendsPaint, type LayerName } from './layers'

const hidden = (...names: LayerName[]) => new Set(names)

test('each way of drawing has its layers, from below to above', () => {
  expect(layersOf('sketch')).toEqual(['picture', 'paint'])
  expect(layersOf('inpaint')).toEqual(['picture', 'paint', 'mask'])
  expect(layersOf('inpaint', true)).toEqual(['picture', 'control', 'paint', 'mask'])
  expect([firstLayer('sketch'), firstLayer('inpaint'), firstLayer('inpaintSketch')]).toEqual([
    'paint',
    'mask',
    'paint',
  ])
})

test('the mask is what is masked, and in inpaint sketch what is painted too', () => {
  expect(maskParts('inpaint', hidden(), 0.6)).toEqual([{ layer: 'mask', share: 1 }])
  expect(maskParts('sketch', hidden(), 0.6)).toEqual([])
  expect(maskParts('inpaintSketch', hidden(), 0.6)).toEqual([
    { layer: 'paint', share: 0.6 },
    { layer: 'mask', share: 1 },
  ])
})

test('nothing that is hidden is sent', () => {
  expect(maskParts('inpaint', hidden('mask'), 1)).toEqual([])
  expect(maskParts('inpaintSketch', hidden('paint'), 1)).toEqual([{ layer: 'mask', share: 1 }])
  expect(sendsPaint('sketch', hidden())).toBe(true)
  expect(sendsPaint('sketch', hidden('paint'))).toBe(false)
})
