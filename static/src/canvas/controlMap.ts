/** A control map that lies on the canvas as a layer, for one ControlNet unit. */
import type { ControlUnit } from '../generation/controlUnits'

export interface ControlMap {
  unit: number // its place among the units
  uri: string // data URI, as the preprocessor drew it
}

/** The units of a request: the map's unit takes it as it is painted; `painted` null: it is hidden. */
export function applyControlMap(
  units: readonly ControlUnit[],
  map: ControlMap | null,
  painted: string | null,
): ControlUnit[] {
  return units.map((unit, at) => {
    if (at !== map?.unit) return unit
    return painted === null ? { ...unit, on: false } : { ...unit, image: painted, module: 'none' }
  })
}
