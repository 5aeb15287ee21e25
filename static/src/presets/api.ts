/** Routes of presets, and the types of their requests and answers. */
import { fetchOk, get, patch, post, remove } from '../api/client'
import type { RequestOf } from '../api/contract'

export interface PresetFacts {
  id: string
  name: string
  changed: number // seconds since 1970
  picture: string | null // address of the thumbnail
}

export interface WholePreset extends PresetFacts {
  form: Record<string, unknown>
}

export type NewPreset = RequestOf<'/api/v1/presets'>
export type PresetChange = RequestOf<'/api/v1/presets/{name}', 'patch'>

const PRESETS = 'api/v1/presets'
const at = (id: string) => `${PRESETS}/${encodeURIComponent(id)}`

export const presets = () => get<{ presets: PresetFacts[] }>(PRESETS)
export const preset = (id: string) => get<WholePreset>(at(id))
export const makePreset = (preset: NewPreset) => post<PresetFacts>(PRESETS, preset)
export const changePreset = (id: string, change: PresetChange) => patch<PresetFacts>(at(id), change)
export const deletePreset = (id: string) => remove(at(id))
export const thumbnailOf = async (address: string) => (await fetchOk(address)).blob()
