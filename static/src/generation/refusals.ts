/** Refusals of the API as the page tells them: which control is at fault, its label, and why. */
import en from '../../locales/en.json'
import zh from '../../locales/zh.json'
import type { Refusal } from '../api/client'
import { LABEL_KEYS } from './useFields'
import type { Failure } from './useGeneration'

/** Translates a key of `locales/`. */
export type Translate = (key: string, values?: Record<string, string>) => string

const LANGUAGES = [en.refusal, zh.refusal] as Record<string, string>[]
const CONTROL = 'alwayson_scripts.controlnet'
const SCRIPT = 'script_args'
const SAME_AS: Record<string, string> = { sampler_index: 'sampler_name', hr_sampler_index: 'hr_sampler_name' }
const LISTED = 10 // names of a list that are told

/** The keys of labels in a ControlNet unit, by the API's names of its fields. */
const UNIT_LABELS: Record<string, string> = {
  image: 'control.picture',
  module: 'control.module',
  model: 'control.model',
  weight: 'control.weight',
  guidance_start: 'control.start',
  guidance_end: 'control.end',
  pixel_perfect: 'control.pixelPerfect',
  control_mode: 'control.mode',
  resize_mode: 'resize.title',
}

/** The name under which a control looks for its error. */
export function controlKey({ code, field, values }: Refusal): string {
  const path = field.replace(/^override_settings\./, '').replace(/^alwayson_scripts\.(sd_\w+)$/, '$1')
  if (path === CONTROL && typeof values.unit === 'number') {
    const part = typeof values.other === 'string' ? values.other : code === 'no_picture' ? 'image' : 'model'
    return `${CONTROL}.args.${values.unit}.${part}`
  }
  if (path === SCRIPT && typeof values.label === 'string' && values.label) return argumentKey(values.label)
  return SAME_AS[path] ?? path
}

/** The same of a script's argument that is told by its label. */
export const argumentKey = (label: string): string => `${SCRIPT}:${label.toLowerCase()}`

/** What is wrong by control. */
export function byControl(refusals: readonly Refusal[], t: Translate): Record<string, string> {
  const errors: Record<string, string> = {}
  for (const refusal of refusals) {
    const key = controlKey(refusal)
    const text = explain(refusal, t)
    if (key) errors[key] = key in errors ? `${errors[key]} ${text}` : text
  }
  return errors
}

/** Whether a field of these names, or one below them, is at fault. */
export function hasRefused(errors: Record<string, string>, ...names: string[]): boolean {
  return Object.keys(errors).some((key) =>
    names.some((name) => key === name || key.startsWith(`${name}.`) || key.startsWith(`${name}:`)),
  )
}

/** Why, in the reader's language; the service's sentence where there is no better one. */
export function explain(refusal: Refusal, t: Translate): string {
  const { sentence } = refusal
  const key = sentenceKey(refusal)
  if (!(key in en.refusal)) return sentence
  const sentences = LANGUAGES.map((words) => words[key]).join()
  const values: Record<string, string> = {}
  for (const [, name] of sentences.matchAll(/\{(\w+)\}/g)) {
    const value = name === 'sentence' ? sentence : refusal.values[name!]
    if (value === undefined || value === null) return sentence
    values[name!] = asText(value)
  }
  return t(`refusal.${key}`, values)
}

/** A range may be open at one end. */
function sentenceKey({ code, values }: Refusal): string {
  if (code !== 'out_of_range') return code
  if (typeof values.least !== 'number') return 'at_most'
  return typeof values.most === 'number' ? code : 'at_least'
}

function asText(value: unknown): string {
  if (!Array.isArray(value)) return String(value)
  const shown = value.slice(0, LISTED).join(', ')
  return value.length > LISTED ? `${shown}, …` : shown
}

/** A failure in one text: why, with the fields at fault. */
export function failureText(failure: Failure, t: Translate): string {
  const { status, message, fields, refusals = [] } = failure
  const told = refusals.map((refusal) => {
    const label = refusal.field ? `${labelOf(refusal, t)}: ` : ''
    return label + explain(refusal, t)
  })
  const plain = message || Object.values(fields).join(' ')
  const usual = status ? t('error.status', { status: String(status) }) : t('error.network')
  return told.join(' ').trim() || plain || usual
}

/** The label of the field at fault; its path where the page has no control for it. */
export function labelOf(refusal: Refusal, t: Translate): string {
  const key = controlKey(refusal)
  const unit = /^alwayson_scripts\.controlnet\.args\.(\d+)(?:\.(\w+))?/.exec(key)
  if (unit) {
    const part = UNIT_LABELS[unit[2] ?? '']
    const words = [t('control.title'), t('control.unit', { number: String(Number(unit[1]) + 1) })]
    return [...words, ...(part ? [t(part)] : [])].join(' · ')
  }
  const soft = key.startsWith('alwayson_scripts.soft inpainting') ? 'soft.title' : undefined
  const script = hasRefused({ [key]: '' }, SCRIPT) ? LABEL_KEYS[SCRIPT] : undefined
  const known = LABEL_KEYS[key] ?? soft ?? script
  const argument = typeof refusal.values.label === 'string' ? refusal.values.label : ''
  const fold = /^hr_/.test(key) ? [t('hires.title')] : []
  return [...fold, known ? t(known) : key, ...(argument ? [argument] : [])].join(' · ')
}
