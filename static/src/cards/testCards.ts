/** Cards for tests. */
import type { Card, CardNotes } from '../models/api'
import { NO_DEFAULTS } from './defaults'

const NOTES: CardNotes = {
  description: '',
  base: '',
  words: '',
  weight: 0,
  negative: '',
  notes: '',
  vae: '',
}

export function makeCard({
  notes,
  ...facts
}: Partial<Omit<Card, 'notes'>> & { notes?: Partial<CardNotes> }): Card {
  return {
    kind: 'checkpoint',
    name: 'one.safetensors',
    label: 'one',
    size: 1,
    changed: 0,
    hash: null,
    base: '',
    belongs_in: null,
    side: null,
    description: '',
    preview: null,
    title: '',
    author: '',
    licence: '',
    source: '',
    words: [],
    defaults: NO_DEFAULTS,
    ...facts,
    notes: { ...NOTES, ...notes },
  }
}
