/** Markdown as HTML that can do nothing: no scripts, no styles, no forms, nothing from elsewhere. */
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
  // HTML inside is read, for tables and line breaks of model cards, and then cleaned.
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

/** Whether an address loads nothing from elsewhere: a picture within it, or of this service. */
export function isSameOrigin(address: string, page: string): boolean {
  if (/^data:image\//i.test(address.trim())) return true
  try {
    return new URL(address, page).origin === new URL(page).origin
  } catch {
    return false
  }
}

/** What would tell another machine that the text is read, as the words that stand for it. */
function dropRemote(loading: Element): void {
  loading.replaceWith(loading.getAttribute('alt') ?? '')
}
