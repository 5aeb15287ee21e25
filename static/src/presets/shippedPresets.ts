/**
 * The presets that come along, as their pictures were drawn, with seed 7, by the default checkpoint.
 * Prompts are not translated: it understands English only.
 */
import type { Fields } from '../generation/useFields'
import boat from './pictures/boat.webp'
import cat from './pictures/cat.webp'
import heart from './pictures/heart.webp'
import house from './pictures/house.webp'
import star from './pictures/star.webp'
import tree from './pictures/tree.webp'

export interface ShippedPreset {
  name: string // of `examples` in `locales/`
  picture: string // address
  fields: Partial<Fields>
}

export const SHIPPED_PRESETS: readonly ShippedPreset[] = [
  { name: 'house', picture: house, fields: { prompt: 'a red house on green grass at night' } },
  {
    name: 'boat',
    picture: boat,
    fields: { prompt: 'a blue sailboat on the sea at sunset', sampler: 'Euler a', steps: 24, guidance: 6 },
  },
  {
    name: 'cat',
    picture: cat,
    fields: { prompt: 'an orange cat on green grass during the day', sampler: 'DPM++ SDE', steps: 15 },
  },
  {
    name: 'star',
    picture: star,
    fields: { prompt: 'a yellow star on a purple background', sampler: 'UniPC', steps: 12 },
  },
  {
    name: 'tree',
    picture: tree,
    fields: { prompt: 'a green pine tree in the snow at night with stars', sampler: 'DDIM', steps: 30 },
  },
  {
    name: 'heart',
    picture: heart,
    fields: { prompt: 'a red heart on a pink background', sampler: 'Euler', steps: 30 },
  },
]
