import { beforeEach, expect, test, vi } from 'vitest'

import { suggestFolderFor } from '../api'
import { suggestFolders } from './folderSuggestions'

vi.mock('../api')
beforeEach(() => void vi.mocked(suggestFolderFor).mockReset())

/** A safetensors file whose header is said to have `length` bytes. */
function weights(name: string, header = '{}', length = header.length) {
  const size = new DataView(new ArrayBuffer(8))
  size.setBigUint64(0, BigInt(length), true)
  return { file: new File([size.buffer, header, 'tensors'], name), inner: '' }
}

test('weights in another folder get the one that the service names', async () => {
  vi.mocked(suggestFolderFor).mockResolvedValue({ folder: '/models/Lora' })
  const [lora] = await suggestFolders([weights('x.safetensors', '{"a":1}')], '/outputs')
  expect(lora!.suggested).toBe('/models/Lora')
  expect(vi.mocked(suggestFolderFor).mock.calls[0]![0].size).toBe(8 + 7)
  const [there] = await suggestFolders([weights('x.safetensors')], '/models/Lora/mine')
  expect(there!.suggested).toBeUndefined()
})

test('what describes weights beside them goes with them', async () => {
  vi.mocked(suggestFolderFor).mockResolvedValue({ folder: '/models/Lora' })
  const beside = { file: new File(['{}'], 'x.json'), inner: '' }
  const other = { file: new File(['{}'], 'y.json'), inner: '' }
  const [json, lora, left] = await suggestFolders([beside, weights('x.safetensors'), other], '/outputs')
  expect(json).toMatchObject({ suggested: '/models/Lora', beside: lora })
  expect(left).toBe(other)
})

test('other files, files of folders and damaged weights are not asked about', async () => {
  const files = [
    weights('x.png'),
    { ...weights('x.safetensors'), inner: 'a' },
    weights('x.safetensors', '{}', 1e9),
    { file: new File(['1234567'], 'short.safetensors'), inner: '' },
  ]
  expect(await suggestFolders(files, '/outputs')).toEqual(files)
  expect(suggestFolderFor).not.toHaveBeenCalled()
})

test('a service that fails holds no upload up', async () => {
  vi.mocked(suggestFolderFor).mockRejectedValue(new Error('down'))
  const file = weights('x.safetensors')
  expect(await suggestFolders([file], '/outputs')).toEqual([file])
})
