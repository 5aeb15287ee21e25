import { expect, test, vi } from 'vitest'
import { effectScope, nextTick, ref, shallowRef } from 'vue'

import type { Checkpoint, Session } from '../api/sdapi'
import type { Catalogue } from '../useCatalogue'
import { useCheckpoint } from './useCheckpoint'
import { createDefaults } from './useFields'

const file = (name: string): Checkpoint => ({
  title: `${name} [1]`,
  model_name: name,
  filename: `/models/${name}`,
  hash: null,
})
const SESSION = {
  checkpoint: 'b [1]',
  default_size: 768,
  default_sizes: { 'a [1]': 256 },
} as unknown as Session

function start(checkpoints: Checkpoint[], chosen: string | null = null) {
  const catalogue = { session: shallowRef(SESSION), checkpoints: shallowRef(checkpoints) }
  const fields = ref({ ...createDefaults(), checkpoint: chosen })
  const onGone = vi.fn()
  const scope = effectScope()
  const checkpoint = scope.run(() => useCheckpoint(catalogue as unknown as Catalogue, fields, onGone))!
  return { catalogue, fields, onGone, ...checkpoint }
}

test('the chosen one draws while it is there, at its own size', () => {
  const { used, side } = start([file('a'), file('b')], '/models/a')
  expect([used.value?.model_name, side.value]).toEqual(['a', 256])
})

test('where none is chosen, that of the service draws, and is kept', () => {
  const { used, side, fields } = start([file('a'), file('b')])
  expect([used.value?.model_name, side.value]).toEqual(['b', 768])
  expect(fields.value.checkpoint).toBe('/models/b')
})

test('another takes the place of one that is removed, and this is told', async () => {
  const { catalogue, fields, onGone } = start([file('a'), file('b')], '/models/a')
  catalogue.checkpoints.value = [file('b')]
  await nextTick()
  expect(onGone).toHaveBeenCalledWith('a', 'b')
  expect(fields.value.checkpoint).toBe('/models/b')
})
