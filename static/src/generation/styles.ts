/** Prompt styles: drafts for the editor, and merging into prompts (contract section 2.13). */
import type { Style } from '../api/sdapi'

export const NEW_STYLE = '' // the previous name of a style that is none yet

/** A style in the editor. */
export interface Draft {
  previous: string
  name: string
  prompt: string
  negative: string
}

export function toDraft(style?: Style): Draft {
  if (!style) return { previous: NEW_STYLE, name: '', prompt: '', negative: '' }
  const { name, prompt, negative_prompt: negative } = style
  return { previous: name, name, prompt, negative }
}

/** Whether a draft differs from the saved style. */
export function isChanged(draft: Draft, kept?: Style): boolean {
  const before = toDraft(kept)
  return (['name', 'prompt', 'negative'] as const).some((key) => draft[key] !== before[key])
}

interface PromptPair {
  prompt: string
  negative: string
}

export function applyStyles(words: PromptPair, styles: Style[]): PromptPair {
  return styles.reduce(
    ({ prompt, negative }, style) => ({
      prompt: joinPrompts(prompt, style.prompt),
      negative: joinPrompts(negative, style.negative_prompt),
    }),
    { prompt: words.prompt, negative: words.negative },
  )
}

function joinPrompts(words: string, style: string): string {
  if (style.includes('{prompt}')) return style.replaceAll('{prompt}', words)
  return [words.trim(), style.trim()].filter(Boolean).join(', ')
}
