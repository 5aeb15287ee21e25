import { usePreferredLanguages, useStorage } from '@vueuse/core'
import { watchEffect } from 'vue'
import { createI18n } from 'vue-i18n'

import en from '../locales/en.json'
import zh from '../locales/zh.json'

export const LANGUAGES = { en: 'English', zh: '中文' } as const
export type Language = keyof typeof LANGUAGES

/** The chosen language; at first, the first supported one of the browser. */
export const language = useStorage<Language>('easel.language', detectLanguage())

export const i18n = createI18n({
  legacy: false,
  locale: language.value,
  fallbackLocale: 'en',
  messages: { en, zh },
})

watchEffect(() => {
  i18n.global.locale.value = language.value
  document.documentElement.lang = language.value === 'zh' ? 'zh-CN' : 'en'
})

function detectLanguage(): Language {
  const browserLanguages = usePreferredLanguages().value.map((tag) => tag.slice(0, 2).toLowerCase())
  return browserLanguages.find((tag) => tag in LANGUAGES) === 'zh' ? 'zh' : 'en'
}
