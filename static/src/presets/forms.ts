/** A preset's form: what is kept of the fields, and how it is put back. */
import { newUnit, type ControlUnit } from '../generation/controlUnits'
import { createDefaults, fillMissing, type Fields } from '../generation/useFields'

/** What the service keeps for us; pictures of ControlNet's units stay out. */
export interface PresetForm {
  version: number
  fields: Partial<Fields>
  units: Partial<ControlUnit>[]
}

export interface WholeForm {
  fields: Fields
  units: ControlUnit[]
}

export const VERSION = 1

export function toPresetForm({ fields, units }: WholeForm): PresetForm {
  const { fields: copied, units: copies } = copy({ fields, units })
  return { version: VERSION, fields: copied, units: copies.map((unit) => ({ ...unit, image: null })) }
}

/** The form of a preset. What it lacks, and what is of another type than the form's, is as at first. */
export function fromPresetForm(kept: unknown, unitCount: number): WholeForm {
  const { fields, units } = (isRecord(kept) ? copy(kept) : {}) as Partial<PresetForm>
  const known = fitTo(isRecord(fields) ? fields : {}, createDefaults() as unknown as Values)
  const list = Array.isArray(units) ? units : []
  return {
    fields: fillMissing(known, createDefaults()),
    units: Array.from({ length: unitCount }, (_, at) => ({
      ...newUnit(),
      ...fitTo(isRecord(list[at]) ? list[at] : {}, newUnit() as unknown as Values),
    })),
  }
}

/** A form with these fields, and all others as at first, but for the model, which stays. */
export function shippedForm(fields: Partial<Fields>, now: WholeForm): WholeForm {
  const { checkpoint, vae, clipSkip } = now.fields
  return {
    fields: { ...createDefaults(), checkpoint, vae, clipSkip, ...copy(fields) },
    units: now.units.map(newUnit),
  }
}

type Values = Record<string, unknown>

/** The values that `shape` has, too, with a type that fits there; null is of any type. */
function fitTo(values: Values, shape: Values): Values {
  const fitting = Object.entries(values).filter(([key, value]) => key in shape && fits(value, shape[key]))
  return Object.fromEntries(
    fitting.map(([key, value]) => {
      const inner = shape[key]
      const isGroup = isRecord(inner) && isRecord(value) && Object.keys(inner).length > 0
      return [key, isGroup ? fitTo(value, inner) : value]
    }),
  )
}

function fits(value: unknown, shape: unknown): boolean {
  if (shape === null) return value === null || ['string', 'number'].includes(typeof value)
  if (Array.isArray(shape)) return Array.isArray(value)
  return typeof value === typeof shape && value !== null && !Array.isArray(value)
}

function isRecord(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function copy<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T
}
