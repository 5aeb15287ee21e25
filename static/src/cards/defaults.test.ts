import { expect, test } from 'vitest'

import {
  acceptProposal,
  defaultsFrom,
  NO_DEFAULTS,
  pickFields,
  proposeDefaults,
  type FormPart,
} from './defaults'
import { makeCard } from './testCards'

const known = {
  samplers: ['Euler', 'DPM++ 2M'],
  schedules: ['Automatic', 'Karras'],
  vaes: ['soft.vae.safetensors'],
  clipSkip: 1,
}
const form: FormPart = {
  width: null,
  height: null,
  steps: 20,
  guidance: 7,
  sampler: 'DPM++ 2M',
  schedule: 'Automatic',
  clipSkip: null,
  vae: null,
}

test('only what differs and what the service has is proposed', () => {
  const defaults = {
    ...NO_DEFAULTS,
    width: 832,
    height: 1216,
    steps: 30,
    cfg_scale: 7,
    sampler_name: 'Euler',
    scheduler: 'gone',
    clip_skip: 1,
  }
  const card = makeCard({ defaults, notes: { vae: 'soft.vae.safetensors' } })
  expect(proposeDefaults(card, form, known)).toEqual({
    width: 832,
    height: 1216,
    steps: 30,
    sampler: 'Euler',
    vae: 'soft.vae.safetensors',
  })
  const taken = { ...form, ...proposeDefaults(card, form, known) }
  expect(proposeDefaults(card, taken, known)).toEqual({})
})

test("a size far from the family's is proposed to be the family's", () => {
  const xl = makeCard({ side: 1024 })
  expect(proposeDefaults(xl, form, known)).toEqual({}) // the form follows the checkpoint
  expect(proposeDefaults(xl, { ...form, width: 512, height: 512 }, known)).toEqual({
    width: 1024,
    height: 1024,
  })
  expect(proposeDefaults(xl, { ...form, width: 832, height: 1216 }, known)).toEqual({})
  expect(proposeDefaults(makeCard({}), { ...form, width: 512, height: 512 }, known)).toEqual({})
})

test('one side alone means a square', () => {
  const card = makeCard({ side: 512, defaults: { ...NO_DEFAULTS, width: 768 } })
  expect(proposeDefaults(card, form, known)).toEqual({ width: 768, height: 768 })
})

test("a checkpoint's own size is left to it, and what was there comes back", () => {
  expect(acceptProposal({ width: 1024, height: 1024, steps: 3 }, 1024)).toEqual({
    width: null,
    height: null,
    steps: 3,
  })
  expect(acceptProposal({ width: 1024, height: 512 }, 1024)).toEqual({ width: 1024, height: 512 })
  expect(pickFields({ ...form, width: 640 }, { width: 1, steps: 2 })).toEqual({ width: 640, steps: 20 })
})

test('a form is taken whole', () => {
  expect(defaultsFrom({ ...form, height: 640 }, 512, 2)).toEqual({
    width: 512,
    height: 640,
    steps: 20,
    cfg_scale: 7,
    sampler_name: 'DPM++ 2M',
    scheduler: 'Automatic',
    clip_skip: 2,
  })
})
