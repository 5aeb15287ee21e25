/** The interface of the page for plugin modules, documented in docs/plugins.md. */
import { watch } from 'vue'

import { fetchAny } from '../api/client'
import { sendPrompt } from '../navigation'
import { language } from '../i18n'
import { type NotificationKind, notify } from '../notifications'
import { dark } from '../shell/theme'

/** A picture, for a plugin's button on it. */
export interface ButtonPicture {
  blob: Blob // its very bytes, infotext included
  infotext: string
  seed: number
  width: number // pixels
  height: number
}

/** Members that only some slots have. */
export interface Extra {
  section?: HTMLElement // of a panel: the section that it stands in
  give?: (fields: Record<string, unknown> | null) => void // of a panel: what it adds to requests
  picture?: ButtonPicture // of a button on pictures
  close?: () => void // of a button on pictures: closes its sheet
}

export interface Easel extends Extra {
  fetch(path: string, init?: RequestInit): Promise<Response>
  toTxt2img(prompt: string, negative?: string): void
  toImg2img(prompt: string, negative?: string): void
  toast(text: string, kind?: NotificationKind): void
  follow(changed: () => void): () => void // calls when language or theme change; gives the end of it
  readonly language: string // "en" or "zh"
  readonly theme: 'light' | 'dark'
}

export type Mount = (element: HTMLElement, easel: Easel) => unknown

/** Create the interface for one part; `end` stops its subscriptions. */
export function useEasel(extra: Extra = {}): { easel: Easel; end: () => void } {
  const stops: (() => void)[] = []
  const easel: Easel = {
    ...extra,
    fetch: (path, init) => fetchAny(path.replace(/^\/+/, ''), init),
    toTxt2img: (prompt, negative) => sendPrompt('txt2img', String(prompt), negative),
    toImg2img: (prompt, negative) => sendPrompt('img2img', String(prompt), negative),
    toast: (text, kind = 'info') => void notify(kind, String(text)),
    follow(changed) {
      const stop = watch([language, dark], () => changed(), { flush: 'post' })
      stops.push(stop)
      return stop
    },
    get language() {
      return language.value
    },
    get theme() {
      return dark.value ? 'dark' : 'light'
    },
  }
  return { easel, end: () => stops.splice(0).forEach((stop) => stop()) }
}
