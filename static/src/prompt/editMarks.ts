/** Finds the marks of `[from:to:when]` and `[a|b]`, as generator/prompt/edit_syntax.py reads them. */

/** `at`: where in the text; `length`: 1, but for a `when`. */
export interface EditMark {
  at: number
  length: number
  kind: 'schedule' | 'choice'
}

const PLAIN = /(?:[^\\[\]():|]|\\[\s\S])+/y
const WHEN = /\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)\s*\]/y
const MAX_DEPTH = 60 // as the service reads; beyond it a bracket is text

class NoMatch extends Error {}

class Reader {
  at = 0
  depth = 0
  marks: EditMark[] = []
  constructor(readonly source: string) {}

  peek(): string {
    return this.source[this.at] ?? ''
  }

  skip(pattern: RegExp): boolean {
    pattern.lastIndex = this.at
    const found = pattern.test(this.source)
    if (found) this.at = pattern.lastIndex
    return found
  }

  expect(character: string) {
    if (this.peek() !== character) throw new NoMatch()
    this.at++
  }

  /** Plain runs and constructs up to a character that can belong to neither. */
  text() {
    for (;;) {
      if (this.skip(PLAIN)) continue
      if (this.peek() !== '(' && this.peek() !== '[') return
      this.construct()
    }
  }

  construct() {
    if (++this.depth > MAX_DEPTH) throw new NoMatch()
    if (this.peek() === '(') this.round()
    else this.square()
    this.depth--
  }

  round() {
    this.expect('(')
    this.text()
    if (this.peek() === ':') {
      this.at++
      this.text()
    }
    this.expect(')')
  }

  square() {
    const start = this.at
    this.expect('[')
    this.text()
    if (this.peek() === ']') return void this.at++ // less emphasis
    if (this.peek() === '|') this.alternation(start)
    else this.edit(start)
  }

  alternation(start: number) {
    const bars = [start]
    while (this.peek() === '|') {
      bars.push(this.at++)
      this.text()
    }
    bars.push(this.at)
    this.expect(']')
    for (const at of bars) this.marks.push({ at, length: 1, kind: 'choice' })
  }

  /** The first text is read; what follows is `:when]` or `:to:when]`. */
  edit(start: number) {
    const colons = [this.at]
    this.expect(':')
    let from = this.at
    if (!this.skip(WHEN)) {
      this.text()
      colons.push(this.at)
      this.expect(':')
      from = this.at
      if (!this.skip(WHEN)) throw new NoMatch()
    }
    for (const at of [start, ...colons]) this.marks.push({ at, length: 1, kind: 'schedule' })
    this.marks.push({ at: from, length: this.at - from, kind: 'schedule' })
  }
}

/** The marks in order; none where the service takes the whole prompt literally. */
export function findEditMarks(source: string): EditMark[] {
  const reader = new Reader(source)
  while (reader.at < source.length) {
    if (!readOutermost(reader)) return []
  }
  return reader.marks.sort((one, other) => one.at - other.at)
}

/** The next run, construct or loose bracket; false where there is none of them. */
function readOutermost(reader: Reader): boolean {
  if (reader.skip(PLAIN)) return true
  const start = reader.at
  const before = reader.marks.length
  reader.depth = 0
  if ('(['.includes(reader.peek())) {
    try {
      reader.construct()
      return true
    } catch (error) {
      if (!(error instanceof NoMatch)) throw error
      reader.at = start
      reader.marks.length = before
    }
  }
  return '[]():'.includes(reader.source[reader.at++]!)
}
