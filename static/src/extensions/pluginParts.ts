/** What the plugins that are on add to the page, and what their panels send. */
import { ref } from 'vue'

import type { Input, Part, Plugin, Slot, Value } from './api'

/** How often plugins were loaded anew in this visit: the browser keeps a module by its address. */
export const loadCount = ref(0)

/** A part with its plugin; `key` is its own and stays from one loading to the next. */
export interface PagePart {
  key: string
  plugin: Plugin
  part: Part
}

export type Values = Record<string, Value>
/** Fields by plugin. */
export type Panels = Record<string, Record<string, unknown>>

const SWITCH = 'enabled' // a panel's switch of this name stands beside its title

export function partsOf(plugins: readonly Plugin[], slot: Slot): PagePart[] {
  return plugins
    .filter(({ state }) => state === 'on')
    .flatMap((plugin) => plugin.parts.map((part, at) => ({ key: `${plugin.name}/${at}`, plugin, part })))
    .filter(({ part }) => part.slot === slot)
}

/** The address of a plugin's file below the page's own. */
export function fileOf(plugin: string, file: string): string {
  const path = file.split('/').map(encodeURIComponent).join('/')
  return `plugins/${encodeURIComponent(plugin)}/static/${path}`
}

/** What is kept of a form where it still fits, its defaults else. */
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

/** The field that turns a form on and off, if it has one. */
export function findSwitch(form: readonly Input[]): Input | undefined {
  return form.find(({ name, kind }) => name === SWITCH && kind === 'switch')
}

/** What the panels send: forms that are on, as `kept`, and what modules have given. */
export function collectPanelValues(panels: readonly PagePart[], stored: Panels, given: Panels): Panels {
  const all: Panels = {}
  for (const { plugin, part } of panels) {
    const values = part.module ? given[plugin.name] : reconcileValues(part.form, stored[plugin.name])
    if (!values || (findSwitch(part.form) && values[SWITCH] !== true)) continue
    all[plugin.name] = { ...all[plugin.name], ...values }
  }
  return all
}
