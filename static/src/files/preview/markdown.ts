/** Markdown as HTML that can do nothing: no scripts, no styles, no forms, nothing from elsewhere. */
import DOMPurify from 'dompurify'
import MarkdownIt from 'markdown-it'

const ALLOWED = {
  USE_PROFILES: { html: true },
  FORBID_TAGS: ['style', 'form', 'input', 'button', 'textarea', 'select', 'video', 'audio', 'source', 'dialog'],
  FORBID_ATTR: ['style', 'class', 'id', 'name', 'srcset'],
  ALLOW_DATA_ATTR: false,
}

export function rendered(text: string): string {
  // HTML inside is read, for tables and line breaks of model cards, and then cleaned.
  const html = new MarkdownIt({ html: true, linkify: true }).render(text)
  const clean = DOMPurify.sanitize(html, { ...ALLOWED, RETURN_DOM_FRAGMENT: true })
  for (const link of clean.querySelectorAll('a')) {
    link.target = '_blank'
    link.rel = 'noopener noreferrer'
  }
  const box = document.createElement('div')
  box.append(clean)
  return box.innerHTML
}
