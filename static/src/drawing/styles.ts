/** Styles written into the words (contract section 2.13). */
import type { Style } from '../api/sdapi'

interface Words {
  prompt: string
  negative: string
}

export function styled(words: Words, styles: Style[]): Words {
  return styles.reduce(
    ({ prompt, negative }, style) => ({
      prompt: joined(prompt, style.prompt),
      negative: joined(negative, style.negative_prompt),
    }),
    { prompt: words.prompt, negative: words.negative },
  )
}

function joined(words: string, style: string): string {
  if (style.includes('{prompt}')) return style.replaceAll('{prompt}', words)
  return [words.trim(), style.trim()].filter(Boolean).join(', ')
}
