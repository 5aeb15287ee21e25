/** What both drawing sections are made of: fields, model, running request, keys, pasting. */
import { useTitle, useWakeLock } from '@vueuse/core'
import { computed, onActivated, onDeactivated, ref, watch } from 'vue'
import { useI18n } from 'vue-i18n'

import { ApiError } from '../api/client'
import { pictureInfo, readInfotext, type Parameters } from '../api/sdapi'
import type { Catalogue } from '../catalogue'
import { partsOf, sent, type Panels } from '../extensions/shown'
import type { Words } from '../handing'
import { notify } from '../notifications'
import { uriOf } from '../pictures'
import { useCheckpoint } from './checkpoint'
import { newUnit, type ControlUnit } from './control'
import { useFields, type Kind } from './fields'
import { newTask, useGeneration } from './generation'
import { useKeys } from './keys'
import { withInfotext } from './pasted'
import type { Surroundings } from './requests'

export type Studio = ReturnType<typeof useStudio>

const UNITS = 3 // ControlNet's, where the service does not say

export function useStudio(kind: Kind, catalogue: Catalogue, start: () => Promise<boolean>) {
  const { t } = useI18n()
  const fields = useFields(kind)
  const work = useGeneration(kind)
  const { used, side } = useCheckpoint(catalogue, fields, (name, next) =>
    notify('info', t('field.checkpointGone', { name, next })),
  )
  const units = ref<ControlUnit[]>([])
  const enlarged = ref(false)
  const open = ref(true) // whether this section is the one on the screen
  const errors = computed(() => work.failure.value?.fields ?? {})
  onActivated(() => (open.value = true))
  onDeactivated(() => (open.value = false))

  watch(
    () => catalogue.shelves.control,
    (control) => {
      const wanted = control?.units ?? UNITS
      while (units.value.length < wanted) units.value.push(newUnit())
    },
    { immediate: true },
  )
  keepNames(catalogue, fields)
  tellInTitle(work)
  stayAwake(work)
  void work.resume()
  watch(work.lost, (lost) => lost && notify('warning', t('stage.lost')))

  const forever = ref(false) // one picture after another, until an interruption or a failure
  let again = false
  async function generate() {
    again = false
    const drawn = await start()
    const on = forever.value && drawn && !work.stopping.value
    if (again || on) return void generate()
    forever.value = false
  }

  /** Ctrl+Enter in the middle of a picture: leave that one and begin anew. */
  function generateAnew() {
    if (!work.running.value) return void generate()
    again = true
    void work.interrupt()
  }

  function fill(parameters: Parameters) {
    fields.value = withInfotext(fields.value, parameters, {
      schedules: catalogue.schedulers.value.map(({ label }) => label),
      checkpoints: catalogue.checkpoints.value,
      options: catalogue.shelves.options,
    })
  }

  /** What a text tells, into the fields. True when that was done. */
  async function apply(infotext: string): Promise<boolean> {
    const found = await told(readInfotext(infotext))
    if (found) fill(found.parameters)
    return found !== null
  }

  /** Another prompt; everything else stays as it is. */
  function write({ prompt, negative }: Words) {
    fields.value.prompt = prompt
    if (negative !== undefined) fields.value.negative = negative
  }

  /** What a picture tells of itself, into the fields. */
  async function applyPicture(file: Blob) {
    const found = await told(pictureInfo(await uriOf(file)))
    if (!found) return
    if (!found.info) return void notify('warning', t('prompt.noInfotext'))
    fill(found.parameters)
    notify('success', t('prompt.applied'))
  }

  /** What is asked, or nothing and a word on the page of why. */
  async function told<T>(asked: Promise<T>): Promise<T | null> {
    try {
      return await asked
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      notify('error', error.message || t('error.network'))
      return null
    }
  }

  const panels = computed(() => partsOf(catalogue.shelves.plugins.plugins, 'panel'))
  const given = ref<Panels>({}) // by the modules of panels

  const around = (): Surroundings => ({
    side: side.value,
    title: used.value?.title ?? null,
    task: newTask(kind),
    units: catalogue.shelves.control ? units.value : [],
    panels: sent(panels.value, fields.value.panels, given.value),
  })

  useKeys(open, {
    generate: generateAnew,
    skip: () => void work.skip(),
    interrupt: () => !enlarged.value && void work.interrupt(),
    move: (by) => !enlarged.value && work.move(by),
  })
  return {
    kind, catalogue, fields, units, used, side, errors, enlarged, forever, work, around,
    panels, given, generate, apply, applyPicture, write,
  }
}

/** A remembered sampler or schedule may have left with a plugin; the first one stands in. */
function keepNames({ samplers, schedulers }: Catalogue, fields: ReturnType<typeof useFields>) {
  watch(
    [samplers, schedulers, () => [fields.value.sampler, fields.value.schedule]],
    () => {
      const names = samplers.value.map(({ name }) => name)
      const labels = schedulers.value.map(({ label }) => label)
      if (!names.includes(fields.value.sampler)) fields.value.sampler = names[0] ?? 'Euler'
      if (!labels.includes(fields.value.schedule)) fields.value.schedule = labels[0] ?? 'Automatic'
    },
    { immediate: true },
  )
}

/** A phone that falls asleep would lose the line to the service. */
function stayAwake({ running }: ReturnType<typeof useGeneration>) {
  const lock = useWakeLock()
  watch(running, (on) => {
    // Refused where the battery is low or the line is plain HTTP; drawing goes on all the same.
    void (on ? lock.request('screen') : lock.release()).catch(() => undefined)
  })
}

/** `[42 %] Easel` while a picture is in work, for those who look at another window. */
function tellInTitle({ running, progress }: ReturnType<typeof useGeneration>) {
  const title = useTitle()
  watch([running, () => progress.share], () => {
    title.value = running.value ? `[${Math.round(progress.share * 100)} %] Easel` : 'Easel'
  })
}
