/** Translates labels that the service sends; unknown labels are returned unchanged. */
import { useI18n } from 'vue-i18n'

export function useLabels(): (text: string) => string {
  const { t, te } = useI18n()
  return (text) => (te(labelKey(text)) ? t(labelKey(text)) : text)
}

/** The key in `locales/` for a label of the service. */
function labelKey(label: string): string {
  return `label.${label
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_|_$/g, '')}`
}
