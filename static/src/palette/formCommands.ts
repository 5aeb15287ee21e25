/** Commands of text to image and image to image: actions, fields, checkpoints. */
import type { Ref } from 'vue'
import { useI18n } from 'vue-i18n'

import type { Fields, GenerationKind } from '../generation/useFields'
import { notify } from '../notifications'
import type { Catalogue } from '../useCatalogue'
import { useCommands, type Command } from './commands'
import { fieldsOf } from './fieldTable'
import { revealField } from './revealField'

interface FormActions {
  kind: GenerationKind
  open: Ref<boolean>
  fields: Ref<Fields>
  catalogue: Catalogue
  running: Ref<boolean>
  generate: () => void
  interrupt: () => void
  reset: () => void
}

export function useFormCommands(form: FormActions) {
  const { t } = useI18n()

  async function reveal(id: string, fold?: string) {
    if (!(await revealField(id, fold))) notify('info', t('palette.notHere'))
  }

  const fieldCommands = (): Command[] =>
    fieldsOf(form.kind).map(({ id, label, words, fold }) => ({
      id: `field ${id}`,
      group: 'field',
      title: t(label),
      words,
      run: () => void reveal(id, fold),
    }))

  const modelCommands = (): Command[] =>
    form.catalogue.checkpoints.value.map(({ filename, model_name }) => ({
      id: `model ${filename}`,
      group: 'model',
      title: model_name,
      words: `${t('field.checkpoint')} · checkpoint`,
      run: () => (form.fields.value.checkpoint = filename),
    }))

  const actions = (): Command[] => [
    form.running.value
      ? action('interrupt', t('prompt.interrupt'), 'Interrupt · stop', form.interrupt, 'Esc')
      : action('generate', t('prompt.generate'), 'Generate · draw', form.generate, 'Ctrl+Enter'),
    action('reset', t('field.reset'), 'Reset · defaults', form.reset),
  ]

  useCommands(() => (form.open.value ? [...actions(), ...fieldCommands(), ...modelCommands()] : []))
}

function action(id: string, title: string, words: string, run: () => void, keys?: string): Command {
  return { id: `action ${id}`, group: 'action', title, words, run, keys }
}
