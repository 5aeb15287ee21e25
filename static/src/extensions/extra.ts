/** What the module of a panel is given beside the rest. */
import type { Studio } from '../drawing/studio'
import type { Extra } from './easel'

export function useExtra({ kind, given }: Studio): (plugin: string) => Extra {
  return (plugin) => ({
    get section() {
      return document.getElementById(`mode_${kind}`) ?? undefined
    },
    give(fields) {
      const { [plugin]: _, ...rest } = given.value
      given.value = fields === null ? rest : { ...rest, [plugin]: fields }
    },
  })
}
