/** The caller's presets, and what may be done with them; each loss can be taken back. */
import { computed, ref, shallowRef } from 'vue'
import { useI18n } from 'vue-i18n'

import { ApiError } from '../api/client'
import type { GenerationForm } from '../generation/useGenerationForm'
import { useFailureText } from '../generation/useRefusals'
import { notify } from '../notifications'
import { toDataUri } from '../pictures'
import { showUndo } from '../undo'
import * as api from './api'
import { fromPresetForm, shippedForm, toPresetForm, type WholeForm } from './forms'
import type { ShippedPreset } from './shippedPresets'

const list = shallowRef<api.PresetFacts[]>([]) // of all sections

export function usePresets(form: GenerationForm) {
  const { t } = useI18n()
  const tell = useFailureText()
  const busy = ref(false)
  const problem = ref('')
  const apply = useApplyPreset(form)

  /** Ask the service, then read the list anew. Undefined where it refused, which is said. */
  async function attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
    busy.value = true
    problem.value = ''
    try {
      const result = await work()
      list.value = (await api.presets()).presets
      return result
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      problem.value = tell(error)
      return undefined
    } finally {
      busy.value = false
    }
  }

  const kept = () =>
    toPresetForm({ fields: form.fields.value, units: form.units.value }) as unknown as api.WholePreset['form']

  /** Keep the form as it is now; a preset of that name is overwritten. */
  async function save(name: string, picture: Blob | null): Promise<boolean> {
    const before = list.value.find((each) => each.name === name.trim())
    const image = picture ? await toDataUri(picture) : undefined
    const body = { form: kept(), ...(image === undefined ? {} : { image }) }
    const saved = await attempt(async () => {
      const old = before && (await wholePreset(before))
      if (before) await api.changePreset(before.id, body)
      else await api.makePreset({ name: name.trim(), ...body })
      if (old) showUndo(t('presets.overwritten', { name: old.name }), () => void putBack(old))
      else notify('success', t('presets.saved', { name: name.trim() }))
      return true
    })
    return saved ?? false
  }

  async function drop(preset: api.PresetFacts) {
    await attempt(async () => {
      const old = await wholePreset(preset)
      await api.deletePreset(preset.id)
      const undo = () =>
        void attempt(() => api.makePreset({ name: old.name, form: old.form, image: old.image }))
      showUndo(t('presets.dropped', { name: old.name }), undo)
    })
  }

  const putBack = ({ id, form: before, image }: Kept) =>
    attempt(() => api.changePreset(id, { form: before, image }))
  const rename = (preset: api.PresetFacts, name: string) =>
    attempt(() => api.changePreset(preset.id, { name: name.trim() }))

  async function use(preset: api.PresetFacts): Promise<boolean> {
    const whole = await attempt(() => api.preset(preset.id))
    if (whole) apply(preset.name, (now) => fromPresetForm(whole.form, now.units.length))
    return whole !== undefined
  }

  return {
    list: computed(() => list.value),
    busy,
    problem,
    load: () => attempt(() => Promise.resolve()),
    save,
    drop,
    rename,
    use,
  }
}

/** Put a preset into the form, with an undo. */
export function useApplyPreset(form: GenerationForm) {
  const { t } = useI18n()
  return (name: string, change: (now: WholeForm) => WholeForm) =>
    form.changeUndoably(t('presets.applied', { name }), () => {
      const { fields, units } = change({ fields: form.fields.value, units: form.units.value })
      form.fields.value = fields
      form.units.value = units
      form.controlMap.value = null
    })
}

export function useShippedPreset(form: GenerationForm) {
  const { t } = useI18n()
  const apply = useApplyPreset(form)
  return ({ name, fields }: ShippedPreset) => apply(t(`examples.${name}`), (now) => shippedForm(fields, now))
}

type Kept = api.WholePreset & { image: string }

/** A preset with its form, and its thumbnail as the service takes it. */
async function wholePreset(facts: api.PresetFacts): Promise<Kept> {
  const whole = await api.preset(facts.id)
  const image = whole.picture ? await toDataUri(await api.thumbnailOf(whole.picture)) : ''
  return { ...whole, image }
}
