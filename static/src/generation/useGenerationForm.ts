/** State shared by txt2img and img2img: fields, checkpoint, running request, shortcuts, pasted settings. */
import { useTitle, useWakeLock } from '@vueuse/core'
import { computed, onActivated, onDeactivated, ref, shallowRef, watch } from 'vue'
import { useI18n } from 'vue-i18n'

import { ApiError } from '../api/client'
import { pictureInfo, readInfotext, type Parameters } from '../api/sdapi'
import type { ControlMap } from '../canvas/controlMap'
import type { Catalogue } from '../useCatalogue'
import { partsOf, collectPanelValues, type Panels } from '../extensions/pluginParts'
import type { PromptText } from '../navigation'
import { notify } from '../notifications'
import { toDataUri } from '../pictures'
import { useFormCommands } from '../palette/formCommands'
import { usePromptHistory } from '../prompt/history'
import { useRights } from '../rights'
import { useDoneSignal } from '../settings/useDoneSignal'
import { showUndo } from '../undo'
import { useCheckpoint } from './useCheckpoint'
import { newUnit, type ControlUnit } from './controlUnits'
import { createDefaults, useFields, type Fields, type GenerationKind } from './useFields'
import { promptLines } from './drawingJobs'
import { newTask, useGeneration } from './useGeneration'
import { provideFormChanges } from './useFormChanges'
import { revealRefused, useFailureText, useRefusedFields } from './useRefusals'
import { useShortcuts } from './useShortcuts'
import { applyInfotext } from './applyInfotext'
import type { RequestContext } from './requests'

export type GenerationForm = ReturnType<typeof useGenerationForm>

const DEFAULT_UNIT_COUNT = 3 // ControlNet's, where the service does not say

/** What draws: `start` queues one job, `priced` is a request that costs as much, without its pictures. */
export interface Drawing {
  start: (fields: Fields) => Promise<boolean>
  priced: () => { path: string; body: object } | null
}

export function useGenerationForm(kind: GenerationKind, catalogue: Catalogue, { start, priced }: Drawing) {
  const { t } = useI18n()
  const rights = useRights()
  const fields = useFields(kind)
  const work = useGeneration(kind)
  const { used, side } = useCheckpoint(catalogue, fields, (name, next) =>
    notify('info', t('field.checkpointGone', { name, next })),
  )
  const units = ref<ControlUnit[]>([])
  const controlMap = shallowRef<ControlMap | null>(null) // that lies on the canvas
  const enlarged = ref(false)
  const open = ref(true) // whether this section is the one on the screen
  const errors = useRefusedFields(work.failure)
  const tell = useFailureText()
  watch(work.failure, (failure) => failure && open.value && void revealRefused())
  onActivated(() => (open.value = true))
  onDeactivated(() => (open.value = false))

  watch(
    () => catalogue.lists.control,
    (control) => {
      const unitCount = control?.units ?? DEFAULT_UNIT_COUNT
      while (units.value.length < unitCount) units.value.push(newUnit())
    },
    { immediate: true },
  )
  replaceMissingNames(catalogue, fields)
  showProgressInTitle(work)
  keepScreenAwake(work)
  useDoneSignal(work, () => t('settings.done'))
  void work.resume()
  watch(work.lost, (lost) => lost && notify('warning', t('stage.lost')))

  const past = usePromptHistory()
  const forever = ref(false) // one picture after another, until an interruption or a failure

  /** Each press queues one more job. */
  async function generate() {
    if (!rights.value.draw) return void notify('info', t('rights.draw'))
    past.add(fields.value.prompt, fields.value.negative)
    await start(fields.value)
  }

  async function generateForever() {
    if (forever.value || !rights.value.draw) return
    forever.value = true
    past.add(fields.value.prompt, fields.value.negative)
    while (forever.value) if (!(await start(fields.value))) forever.value = false
  }

  /** A job for each line of the prompt. */
  async function generateLines() {
    if (!rights.value.draw) return
    past.add(fields.value.prompt, fields.value.negative)
    const jobs = promptLines(fields.value.prompt).map((prompt) => start({ ...fields.value, prompt }))
    await Promise.all(jobs)
  }

  /** Stop what is on the canvas; what goes on by itself ends, too. */
  async function interrupt() {
    forever.value = false
    await work.interrupt()
  }

  /** Change fields by `change`, with a message that takes it back. */
  function changeUndoably(text: string, change: () => void) {
    const before = JSON.stringify([fields.value, units.value])
    change()
    if (JSON.stringify([fields.value, units.value]) === before) return
    showUndo(text, () => {
      ;[fields.value, units.value] = JSON.parse(before) as [Fields, ControlUnit[]]
    })
  }

  /** All settings beside the prompts and the checkpoint as at the first visit. */
  function reset() {
    changeUndoably(t('undo.reset'), () => {
      const { prompt, negative, checkpoint } = fields.value
      fields.value = { ...createDefaults(), prompt, negative, checkpoint }
      units.value = units.value.map(newUnit)
      controlMap.value = null
    })
    forever.value = false
    work.failure.value = null
  }

  /** Ctrl+Enter while a picture is generated: interrupt it and start again. */
  function generateAnew() {
    if (work.running.value) void work.interrupt()
    void generate()
  }

  function fill(parameters: Parameters) {
    changeUndoably(t('prompt.applied'), () => {
      fields.value = applyInfotext(fields.value, parameters, {
        schedules: catalogue.schedulers.value.map(({ label }) => label),
        checkpoints: catalogue.checkpoints.value,
        options: catalogue.lists.options,
      })
    })
  }

  /** Fill the fields from an infotext. True on success. */
  async function apply(infotext: string): Promise<boolean> {
    const result = await runRequest(readInfotext(infotext))
    if (result) fill(result.parameters)
    return result !== null
  }

  /** Replace the prompt and leave all other fields. */
  function write({ prompt, negative }: PromptText) {
    const lost = fields.value.prompt !== '' || (negative !== undefined && fields.value.negative !== '')
    const change = () => {
      fields.value.prompt = prompt
      if (negative !== undefined) fields.value.negative = negative
    }
    if (lost) changeUndoably(t('undo.prompt'), change)
    else change()
  }

  /** Fill the fields from the infotext inside a picture. */
  async function applyPicture(file: Blob) {
    const result = await runRequest(pictureInfo(await toDataUri(file)))
    if (!result) return
    if (!result.info) return void notify('warning', t('prompt.noInfotext'))
    fill(result.parameters)
  }

  /** The answer; null on an API error, which is shown. */
  async function runRequest<T>(request: Promise<T>): Promise<T | null> {
    try {
      return await request
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      notify('error', tell(error))
      return null
    }
  }

  const panels = computed(() => partsOf(catalogue.lists.plugins.plugins, 'panel'))
  const moduleValues = ref<Panels>({}) // by the modules of panels

  const requestContext = (): RequestContext => ({
    side: side.value,
    title: used.value?.title ?? null,
    task: newTask(kind),
    units: catalogue.lists.control ? units.value : [],
    panels: collectPanelValues(panels.value, fields.value.panels, moduleValues.value),
  })

  /** The same without what is long to send and adds nothing to the price. */
  const pricedContext = (): RequestContext => ({ ...requestContext(), units: [], panels: {} })

  provideFormChanges(kind, fields, units, (act) => changeUndoably(t('undo.fold'), act))
  useFormCommands({
    ...{ kind, open, fields, catalogue, reset, running: work.running },
    generate: () => void generate(),
    interrupt: () => void interrupt(),
  })
  useShortcuts(open, {
    generate: generateAnew,
    skip: () => void work.skip(),
    interrupt: () => !enlarged.value && void interrupt(),
    move: (by) => !enlarged.value && work.move(by),
  })
  return {
    kind,
    catalogue,
    fields,
    units,
    controlMap,
    used,
    side,
    errors,
    enlarged,
    forever,
    work,
    requestContext,
    pricedContext,
    panels,
    moduleValues,
    priced,
    generate,
    changeUndoably,
    generateForever,
    generateLines,
    interrupt,
    reset,
    apply,
    applyPicture,
    write,
  }
}

/** A stored sampler or schedule may have been removed with its plugin: fall back to the first one. */
function replaceMissingNames({ samplers, schedulers }: Catalogue, fields: ReturnType<typeof useFields>) {
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

/** Hold a wake lock: a phone that falls asleep loses its connection. */
function keepScreenAwake({ running }: ReturnType<typeof useGeneration>) {
  const lock = useWakeLock()
  watch(running, (continues) => {
    // Refused where the battery is low or the line is plain HTTP; drawing goes on all the same.
    void (continues ? lock.request('screen') : lock.release()).catch(() => undefined)
  })
}

/** Show progress in the window's title: `[42 %] Easel`. */
function showProgressInTitle({ running, progress }: ReturnType<typeof useGeneration>) {
  const title = useTitle()
  watch([running, () => progress.value.share], ([on, share]) => {
    title.value = on ? `[${Math.round(share * 100)} %] Easel` : 'Easel'
  })
}
