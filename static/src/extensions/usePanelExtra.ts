/** What the module of a panel is given beside the rest. */
import type { GenerationForm } from '../generation/useGenerationForm'
import type { Extra } from './easel'

export function usePanelExtra({ kind, moduleValues }: GenerationForm): (plugin: string) => Extra {
  return (plugin) => ({
    get section() {
      return document.getElementById(`mode_${kind}`) ?? undefined
    },
    give(fields) {
      const { [plugin]: _, ...rest } = moduleValues.value
      moduleValues.value = fields === null ? rest : { ...rest, [plugin]: fields }
    },
  })
}
