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

export interface Card {
  kind: string
  name: string
  label: string
  size: number // bytes
  changed: number // milliseconds since 1970
  hash: string | null
  base: string
  belongs_in: string | null // a folder: this is no checkpoint
  description: string
  preview: string | null // address
  title: string
  author: string
  licence: string
  source: string
  words: string[]
  notes: CardNotes
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
export const putCard = (card: Card, notes: CardNotes) =>
  put<Card>('api/models/cards', { kind: card.kind, name: card.name, ...notes })
export const putPreview = (card: Card, image: string) =>
  put<Card>('api/models/preview', { kind: card.kind, name: card.name, image })
export const report = () => get<ModelReport>('api/models/report')
export const merge = (body: Merge) => post<WrittenModel>('api/models/merge', body)
export const convert = (body: Conversion) => post<WrittenModel>('api/models/convert', body)
