/** Routes of models: cards, previews, the report, merging and converting. */
import { get, post, put } from '../api/client'

export const KINDS = [
  'checkpoint',
  'lora',
  'embedding',
  'hypernetwork',
  'vae',
  'controlnet',
  'upscaler',
] as const
export type Kind = (typeof KINDS)[number]

/** What a person writes of a model. */
export interface CardNotes {
  description: string
  base: string
  words: string
  weight: number
  negative: string
  notes: string
  vae: string
}

/** Settings that a checkpoint draws best with; null: it wants nothing special. */
export interface CheckpointDefaults {
  width: number | null // pixels
  height: number | null
  steps: number | null
  cfg_scale: number | null
  sampler_name: string | null
  scheduler: string | null
  clip_skip: number | null
}

export interface Card {
  kind: string
  name: string
  label: string
  size: number // bytes
  changed: number // milliseconds since 1970
  hash: string | null
  base: string
  belongs_in: string | null // a folder: this is no checkpoint
  side: number | null // pixels that a checkpoint was made to draw; null: unknown
  description: string
  preview: string | null // address
  title: string
  author: string
  licence: string
  source: string
  words: string[]
  notes: CardNotes
  defaults: CheckpointDefaults
}

interface ReportedModel {
  kind: string
  name: string
  size: number // bytes
}

export interface ModelReport {
  kinds: { kind: string; files: number; size: number }[]
  duplicates: { sha256: string; models: ReportedModel[]; spare: number }[]
  unhashed: number
  unused: ReportedModel[] | null
  pictures: number | null
  baseless: { model: ReportedModel; base: string }[]
  misplaced: { model: ReportedModel; found: string; folder: string }[]
  unjudged: number
  unreadable: { file: string; reason: string }[]
}

export interface WrittenModel {
  name: string
  size: number // bytes
  seconds: number
  notes: string[]
  interrupted: boolean
}

interface OutputFields {
  name: string
  precision: string
  ema: string
  vae: string
  discard: string // a regular expression of tensors that are left out
  overwrite: boolean
  id_task: string
}

export interface Merge extends OutputFields {
  models: string[]
  mode: string
  multiplier: number
  config: string // whose .yaml is copied
}

export interface Conversion extends OutputFields {
  model: string
}

export const cards = (kind: Kind) => get<Card[]>(`api/models/cards?kind=${kind}`)
/** One model by any name of it: none or one card. */
export const cardOf = (kind: Kind, name: string) =>
  get<Card[]>(`api/models/cards?kind=${kind}&name=${encodeURIComponent(name)}`)
/** Defaults that are left out stay as they are. */
export const putCard = (card: Card, notes: CardNotes, defaults?: CheckpointDefaults) =>
  put<Card>('api/models/cards', { kind: card.kind, name: card.name, ...notes, defaults })
export const putPreview = (card: Card, image: string) =>
  put<Card>('api/models/preview', { kind: card.kind, name: card.name, image })
export const report = () => get<ModelReport>('api/models/report')
export const merge = (body: Merge) => post<WrittenModel>('api/models/merge', body)
export const convert = (body: Conversion) => post<WrittenModel>('api/models/convert', body)
