/** Which word is being written, and what writing an offer in its place means. No page in here. */

const ENDS = /[,\n<>()[\]{}|:]/ // where a phrase ends
const REST = /^[^\s,<>()[\]{}|:]*/ // of the word that the caret stands in
const LORA = /<(?:lora:)?([^<>:\n]*)$/i

/**
 * What may be completed at the caret: the phrase since the last comma, then its last word alone.
 * @returns {{words: string, start: number, end: number, lora: boolean}[]} longest first
 */
export function sought(text, caret) {
  const before = text.slice(0, caret)
  const rest = text.slice(caret).match(REST)[0]
  const end = caret + rest.length
  const lora = before.match(LORA)
  if (lora) {
    const closing = text.slice(end).match(/^(:[\d.]*)?>/)?.[0] ?? ''
    return [{ words: lora[1], start: caret - lora[0].length, end: end + closing.length, lora: true }]
  }
  const phrase = before.slice(lastEnd(before) + 1).trimStart()
  const word = phrase.slice(phrase.search(/\S*$/))
  const found = [phrase, word].filter((words, at, all) => words !== '' && all.indexOf(words) === at)
  return found.map((words) => ({ words, start: caret - words.length, end, lora: false }))
}

function lastEnd(text) {
  for (let at = text.length - 1; at >= 0; at--) if (ENDS.test(text[at])) return at
  return -1
}

/** The text to put in place of what was sought, given what follows it. */
export function written({ kind, name }, after, { spaces, comma }) {
  if (kind === 'lora') return `<lora:${name}:1>`
  const words = kind === 'tag' && spaces && name.length > 3 ? name.replaceAll('_', ' ') : name
  const plain = kind === 'tag' ? words.replace(/[\\()]/g, '\\$&') : words
  return comma && !/^\s*[,:)\]}>|]/.test(after) ? `${plain}, ` : plain
}

/** Of what is installed: names that begin with the words, then those that hold them. */
export function among(items, words, most) {
  const folded = fold(words)
  const begins = items.filter(({ name }) => fold(name).startsWith(folded))
  const holds = items.filter((item) => !begins.includes(item) && fold(item.name).includes(folded))
  return [...begins, ...holds].slice(0, most)
}

function fold(text) {
  return text.toLowerCase().replaceAll('_', ' ').trim()
}

/** 1234567 as 1.2M. */
export function short(count) {
  if (count < 1000) return String(count)
  const [by, unit] = count < 1e6 ? [1e3, 'k'] : [1e6, 'M']
  return `${(count / by).toFixed(count / by < 10 ? 1 : 0)}${unit}`
}
