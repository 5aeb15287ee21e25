import { expect, test } from 'vitest'
import { nextTick, ref, shallowRef } from 'vue'

import { useCanvasResults } from './useCanvasResults'

const result = (key: number, infotext = 'Steps: 1') => ({ key, infotext, url: '', blob: new Blob() })

test('what is drawn while one paints are candidates, maps apart', async () => {
  const pictures = shallowRef([result(1)])
  const paints = ref(true)
  const candidates = useCanvasResults(pictures, paints)
  pictures.value = [result(3), result(2), result(4, ''), ...pictures.value]
  await nextTick()
  expect(candidates.value.map(({ key }) => key)).toEqual([3, 2])
  paints.value = false
  pictures.value = [result(5), ...pictures.value]
  await nextTick()
  expect(candidates.value).toHaveLength(2)
})
