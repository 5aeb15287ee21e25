/** Pictures that were drawn from the canvas, until one is accepted or all are thrown away. */

export interface Candidate {
  key: number
  url: string // of the blob
  blob: Blob
}

/** `shown`: the key of the one on the canvas; null: the picture they were drawn from. */
export interface Candidates {
  list: readonly Candidate[]
  shown: number | null
}

export const NO_CANDIDATES: Candidates = { list: [], shown: null }

export function newCandidates(list: readonly Candidate[]): Candidates {
  return { list, shown: list[0]?.key ?? null }
}

export function findShown({ list, shown }: Candidates): Candidate | null {
  return list.find(({ key }) => key === shown) ?? null
}

/** Without the one that is shown; the next takes its place, after the last the one before. */
export function throwAway({ list, shown }: Candidates): Candidates {
  const at = list.findIndex(({ key }) => key === shown)
  if (at < 0) return { list, shown }
  const rest = list.filter((_, place) => place !== at)
  return { list: rest, shown: (rest[at] ?? rest.at(-1))?.key ?? null }
}

/** The one `by` places further, in a round that the original picture is part of. */
export function moveShown({ list, shown }: Candidates, by: number): Candidates {
  const keys = [null, ...list.map(({ key }) => key)]
  const at = keys.indexOf(shown)
  return { list, shown: keys[(at + by + keys.length) % keys.length] ?? null }
}
