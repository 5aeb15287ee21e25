/** Reads `(more)`, `[less]` and `(so much:1.3)` as generator/prompt/grammar.py does, with places. */

/** A run of the text with one weight. `text` is what is drawn, without escapes. */
export interface WeightedRun {
  from: number
  to: number
  text: string
  weight: number
}

export interface EmphasisMark {
  from: number
  to: number
  kind: 'bracket' | 'weight' | 'escape'
}

export interface Emphasis {
  runs: WeightedRun[]
  marks: EmphasisMark[]
}

const MARKS = /\\[()[\]\\]|\\|\(|\[|:\s*[+-]?[.\d]+\s*\)|\)|\]|[^\\()[\]:]+|:/g
const MORE = 1.1

/** A bracket that waits for its partner: the runs that it weighs begin at `run`. */
interface OpenBracket {
  run: number
  at: number
}

class Reader {
  runs: WeightedRun[] = []
  marks: EmphasisMark[] = []
  round: OpenBracket[] = []
  square: OpenBracket[] = []

  read(mark: string, from: number) {
    const to = from + mark.length
    if (mark[0] === '\\') {
      this.runs.push({ from, to, text: mark.slice(1), weight: 1 })
      if (mark.length > 1) this.marks.push({ from, to, kind: 'escape' })
    } else if (mark === '(') this.round.push({ run: this.runs.length, at: from })
    else if (mark === '[') this.square.push({ run: this.runs.length, at: from })
    else if (mark[0] === ':' && mark.length > 1 && this.round.length > 0) this.closeWeighted(mark, from, to)
    else if (mark === ')' && this.round.length > 0) this.close(this.round, from, MORE)
    else if (mark === ']' && this.square.length > 0) this.close(this.square, from, 1 / MORE)
    else this.runs.push({ from, to, text: mark, weight: 1 })
  }

  closeWeighted(mark: string, from: number, to: number) {
    const weight = Number(mark.slice(1, -1))
    if (Number.isNaN(weight)) {
      // "(a:1.2.3)": no number, so the text stands as written.
      this.runs.push({ from, to: to - 1, text: mark.slice(0, -1), weight: 1 })
      return this.close(this.round, to - 1, MORE)
    }
    this.marks.push({ from, to: to - 1, kind: 'weight' })
    this.close(this.round, to - 1, weight)
  }

  close(open: OpenBracket[], at: number, factor: number) {
    const bracket = open.pop()!
    this.marks.push({ from: bracket.at, to: bracket.at + 1, kind: 'bracket' })
    this.marks.push({ from: at, to: at + 1, kind: 'bracket' })
    this.multiply(bracket.run, factor)
  }

  multiply(start: number, factor: number) {
    for (const run of this.runs.slice(start)) run.weight *= factor
  }

  /** Brackets left open reach to the end. */
  closeAll() {
    for (const { run } of this.round) this.multiply(run, MORE)
    for (const { run } of this.square) this.multiply(run, 1 / MORE)
  }
}

export function readEmphasis(text: string): Emphasis {
  const reader = new Reader()
  for (const match of text.matchAll(MARKS)) reader.read(match[0], match.index)
  reader.closeAll()
  return { runs: reader.runs, marks: reader.marks }
}
