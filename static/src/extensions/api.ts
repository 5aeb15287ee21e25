/** Routes of plugins, and the types of their answers. */
import { get, post, fetchOk, remove } from '../api/client'

export type State = 'on' | 'off' | 'faulty' | 'struck'
export type Slot = 'tab' | 'panel' | 'picture'
export type Value = string | number | boolean

/** A field of a form that a plugin declares. */
export interface Input {
  name: string
  label: string
  kind: 'text' | 'number' | 'switch' | 'choice'
  value: Value
  choices: string[]
  least: number | null
  most: number | null
  step: number | null
}

/** What a plugin adds to the page: a module of its own, or a form that Easel draws. */
export interface Part {
  slot: Slot
  title: string
  module: string // a file of the plugin's folder "static"; empty: a form
  form: Input[]
  icon: string
}

export interface Setting {
  name: string
  value: unknown
  default: unknown
  help: string
  choices: unknown[]
  least: number | null
  most: number | null
}

/** A plugin's state in one worker. */
export interface WorkerState {
  worker: string
  state: State
  fault: string
  last_error?: string
  hooks: string[]
  seconds: number // its loading took there
  strikes: number
}

export interface Plugin {
  name: string
  title: string
  version: string
  licence: string
  description: string
  origin: 'shipped' | 'package' | 'folder'
  folder?: string
  state: State
  enabled: boolean // from the next reload on; what is so far is `state`
  fault: string
  hooks: string[]
  permissions: string[]
  seconds: number // its loading took
  strikes: number
  last_error: string
  parts: Part[]
  settings: Setting[]
  workers: WorkerState[]
}

export interface Plugins {
  plugins: Plugin[]
  may_install: boolean
  running: number // jobs in work
}

const base = 'api/plugins'

export const plugins = () => get<Plugins>(base)
export const reload = () => post<Plugins>(`${base}/reload`)
export const change = (name: string, wanted: { enabled?: boolean; settings?: Record<string, unknown> }) =>
  post<Plugin>(`${base}/${encodeURIComponent(name)}`, wanted)
export const uninstall = (name: string) => remove<Plugin>(`${base}/${encodeURIComponent(name)}`)

/** Install from a folder on the service's machine; it is copied. */
export const installFolder = (folder: string, replace = false) =>
  post<Plugin>(`${base}/install?${new URLSearchParams({ folder, ...(replace ? { replace: 'true' } : {}) })}`)

/** Install an archive. `replace`: overwrite a plugin of the same name. */
export async function install(file: File, replace = false): Promise<Plugin> {
  const query = new URLSearchParams({ name: file.name, ...(replace ? { replace: 'true' } : {}) })
  const headers = { 'Content-Type': 'application/octet-stream', Accept: 'application/json' }
  const answer = await fetchOk(`${base}/install?${query}`, { method: 'POST', headers, body: file })
  return (await answer.json()) as Plugin
}
