/** Markdown to safe HTML: no scripts, styles or forms, nothing from other hosts. */
import DOMPurify from 'dompurify'
import MarkdownIt from 'markdown-it'

const ALLOWED = {
  USE_PROFILES: { html: true },
  FORBID_TAGS: [
    ...['style', 'form', 'input', 'button', 'textarea', 'select', 'dialog'],
    ...['video', 'audio', 'source', 'track', 'picture'],
  ],
  FORBID_ATTR: ['style', 'class', 'id', 'name', 'srcset', 'background', 'poster', 'longdesc'],
  ALLOW_DATA_ATTR: false,
}

export function renderMarkdown(text: string): string {
  // Inline HTML is allowed, for tables in model cards, and sanitized afterwards.
  const html = new MarkdownIt({ html: true, linkify: true }).render(text)
  const clean = DOMPurify.sanitize(html, { ...ALLOWED, RETURN_DOM_FRAGMENT: true })
  for (const link of clean.querySelectorAll('a')) {
    link.target = '_blank'
    link.rel = 'noopener noreferrer'
  }
  for (const loading of clean.querySelectorAll('[src]')) {
    if (!isSameOrigin(loading.getAttribute('src') ?? '', document.baseURI)) dropRemote(loading)
  }
  const container = document.createElement('div')
  container.append(clean)
  return container.innerHTML
}

/** Whether a URL is a data URI of a picture or on the page's own origin. */
export function isSameOrigin(address: string, page: string): boolean {
  if (/^data:image\//i.test(address.trim())) return true
  try {
    return new URL(address, page).origin === new URL(page).origin
  } catch {
    return false
  }
}

/** Replace an element that loads from another host by its text. */
function dropRemote(loading: Element): void {
  loading.replaceWith(loading.getAttribute('alt') ?? '')
}
