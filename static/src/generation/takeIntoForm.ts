/** What is sent to a form and changes fields alone: settings, words, a seed, a picture for ControlNet. */
import { i18n } from '../i18n'
import type { Transfer } from '../navigation'
import { revealField } from '../palette/revealField'
import { toDataUri } from '../pictures'
import { unitFor } from './controlUnits'
import type { GenerationForm } from './useGenerationForm'

export async function takeIntoForm(form: GenerationForm, { words, seed, control, infotext }: Transfer) {
  if (words) form.write(words)
  if (seed !== undefined) form.fields.value.seed = seed
  if (control) await takeControl(form, control)
  if (infotext) await form.apply(infotext)
}

async function takeControl({ kind, units, changeUndoably }: GenerationForm, control: Blob) {
  const image = await toDataUri(control)
  changeUndoably(i18n.global.t('send.controlSet'), () => {
    const unit = unitFor(units.value)
    if (unit) Object.assign(unit, { image, on: true })
  })
  await revealField(`${kind}_controlnet`, `${kind}_controlnet`)
}
