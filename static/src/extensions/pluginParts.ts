/** Page parts of enabled plugins, and the values that their panels send. */
import { ref } from 'vue'

import type { Input, Part, Plugin, Slot, Value } from './api'

/** Plugin reloads in this session: part of module URLs, since browsers cache modules by URL. */
export const loadCount = ref(0)

/** A part with its plugin; `key` is unique and stable across reloads. */
export interface PagePart {
  key: string
  plugin: Plugin
  part: Part
}

export type Values = Record<string, Value>
/** Values by plugin. */
export type Panels = Record<string, Record<string, unknown>>

const SWITCH = 'enabled' // a panel's switch of this name stands beside its title

export function partsOf(plugins: readonly Plugin[], slot: Slot): PagePart[] {
  return plugins
    .filter(({ state }) => state === 'on')
    .flatMap((plugin) => plugin.parts.map((part, at) => ({ key: `${plugin.name}/${at}`, plugin, part })))
    .filter(({ part }) => part.slot === slot)
}

/** The URL of a plugin's static file, relative to the page. */
export function fileOf(plugin: string, file: string): string {
  const path = file.split('/').map(encodeURIComponent).join('/')
  return `plugins/${encodeURIComponent(plugin)}/static/${path}`
}

/** Stored values that are still valid for a form, else its defaults. */
export function reconcileValues(form: readonly Input[], stored: Record<string, unknown> | undefined): Values {
  return Object.fromEntries(
    form.map((input) => {
      const value = stored?.[input.name]
      return [input.name, isValidValue(input, value) ? value : input.value]
    }),
  )
}

function isValidValue({ kind, value: usual, choices, least, most }: Input, value: unknown): value is Value {
  if (kind === 'choice') return choices.includes(String(value))
  if (typeof value === 'number' && kind === 'number') {
    return Number.isFinite(value) && value >= (least ?? value) && value <= (most ?? value)
  }
  return kind !== 'number' && typeof value === typeof usual
}

/** The input that enables a form, if there is one. */
export function findSwitch(form: readonly Input[]): Input | undefined {
  return form.find(({ name, kind }) => name === SWITCH && kind === 'switch')
}

/** Values to send: stored ones of enabled forms, and those that modules have given. */
export function collectPanelValues(panels: readonly PagePart[], stored: Panels, given: Panels): Panels {
  const all: Panels = {}
  for (const { plugin, part } of panels) {
    const values = part.module ? given[plugin.name] : reconcileValues(part.form, stored[plugin.name])
    if (!values || (findSwitch(part.form) && values[SWITCH] !== true)) continue
    all[plugin.name] = { ...all[plugin.name], ...values }
  }
  return all
}
