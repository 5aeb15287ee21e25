/** What differs between the settings of several pictures. */
import { parseInfotext } from '../generation/infotext'

export interface ComparedRow {
  name: string // of the parameter; 'prompt' and 'negative' for these
  values: string[] // '' where a picture does not tell
  differs: boolean
}

/** A row for each setting that any of the infotexts tells, in the order of the first that does. */
export function compareInfotexts(infotexts: readonly string[]): ComparedRow[] {
  const parsed = infotexts.map((text) => {
    const { prompt, negative, parameters } = parseInfotext(text)
    return { prompt, negative, ...parameters } as Record<string, string>
  })
  const names = new Set(parsed.flatMap((one) => Object.keys(one)))
  return [...names].map((name) => {
    const values = parsed.map((one) => one[name] ?? '')
    return { name, values, differs: new Set(values).size > 1 }
  })
}

/** The words of a prompt, each with whether all the others have it too. */
export function markWords(prompts: readonly string[], at: number): { text: string; shared: boolean }[] {
  const words = prompts.map((prompt) => prompt.split(/(\s*,\s*|\s+)/))
  const others = words.filter((_, index) => index !== at).map((list) => new Set(list))
  return words[at]!.filter(Boolean).map((text) => ({
    text,
    shared: /^[\s,]+$/.test(text) || others.every((other) => other.has(text)),
  }))
}
