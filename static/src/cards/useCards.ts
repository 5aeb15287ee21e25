/** The cards of a kind, asked for again whenever the service's models change. */
import { ref, shallowRef, toValue, watch, type MaybeRefOrGetter } from 'vue'

import { ApiError } from '../api/client'
import type { Failure } from '../generation/useGeneration'
import { cardOf, cards as fetchCards, type Card, type Kind } from '../models/api'
import type { Catalogue } from '../useCatalogue'

export function useCards(kind: MaybeRefOrGetter<Kind>, catalogue: Catalogue) {
  const cards = shallowRef<Card[]>([])
  const loaded = ref(false)
  const failure = shallowRef<Failure | null>(null)

  async function load() {
    const wanted = toValue(kind)
    try {
      const found = await fetchCards(wanted)
      if (wanted !== toValue(kind)) return // another kind was chosen meanwhile
      cards.value = found
      failure.value = null
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      if (error.status !== 401) failure.value = error
    }
    loaded.value = true
  }

  /** A card was written: the others are as they were. */
  function replace(changed: Card) {
    cards.value = cards.value.map((card) => (card.name === changed.name ? changed : card))
  }

  watch(
    () => toValue(kind),
    () => {
      cards.value = []
      loaded.value = false
      void load()
    },
    { immediate: true },
  )
  watch(catalogue.checkpoints, load) // renewed with every change of the folders
  return { cards, loaded, failure, replace, load }
}

/** The card of one model by any name of it; null until it is known, and where there is none. */
export function useCard(kind: Kind, name: MaybeRefOrGetter<string | null>, catalogue: Catalogue) {
  const card = shallowRef<Card | null>(null)

  async function load() {
    const wanted = toValue(name)
    const [found] = wanted ? await cardOf(kind, wanted).catch(() => []) : []
    if (wanted === toValue(name)) card.value = found ?? null
  }

  watch([() => toValue(name), catalogue.checkpoints], load, { immediate: true })
  return { card, load }
}
