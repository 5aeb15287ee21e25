/** Members of the page's interface that only panels have. */
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
