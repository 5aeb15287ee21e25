/** Offers words below the caret of every prompt field of its section. */
import { among, short, sought, written } from './words.js'

// The page's editor of prompts, and a plain field where it is not loaded (then nobody hides it).
const FIELD = '.cm-content[data-prompt], textarea[data-prompt]:not([aria-hidden])'
const PAUSE_MS = 80
const DESCRIBED = ['aria-autocomplete', 'aria-controls', 'aria-expanded', 'aria-activedescendant']
const FRESH_MS = 15000 // what is installed is asked for again after this
const SAID = {
  en: { list: 'Offers', lora: 'LoRA', embedding: 'embedding', count: '{n} offers' },
  zh: { list: '提示', lora: 'LoRA', embedding: '嵌入', count: '{n} 条提示' },
}
const CATEGORIES = ['general', 'artist', '', 'work', 'character', 'meta']

export default function mount(element, easel) {
  const section = easel.section
  if (!section) return undefined
  const own = `offers-${Math.random().toString(36).slice(2, 8)}`
  const list = document.createElement('ul')
  Object.assign(list, { id: own, role: 'listbox', hidden: true, className: 'offers' })
  const status = document.createElement('span')
  status.className = 'unseen'
  status.setAttribute('role', 'status')
  const sheet = document.createElement('link')
  Object.assign(sheet, { rel: 'stylesheet', href: new URL('panel.css', import.meta.url).href })
  element.append(sheet, list, status)

  let setup = { most: 12, after: 2, spaces: true, comma: true, tags: 0 }
  let installed = []
  let asked = 0 // when the service was last asked what is installed
  let field = null
  let offers = []
  let place = null // what the offers would stand in for
  let chosen = 0
  let timer = 0
  let abort = null
  let composing = false

  const say = (key) => (SAID[easel.language] ?? SAID.en)[key]

  async function refresh() {
    if (Date.now() - asked < FRESH_MS) return
    asked = Date.now()
    const json = async (path) => {
      const answer = await easel.fetch(path)
      return answer.ok ? answer.json() : null
    }
    const [now, loras, embeddings] = await Promise.all([
      json('plugins/autocompletion/setup'),
      json('sdapi/v1/loras'),
      json('sdapi/v1/embeddings'),
    ])
    setup = now ?? setup
    installed = [
      ...(loras ?? []).map(({ name }) => ({ kind: 'lora', name })),
      ...Object.keys(embeddings?.loaded ?? {}).map((name) => ({ kind: 'embedding', name })),
    ]
  }

  async function look() {
    abort?.abort()
    const mine = (abort = new AbortController())
    const element = field
    const area = element && handleOf(element)
    if (!area || area.selectionStart !== area.selectionEnd) return close()
    const text = area.value
    const caret = area.selectionStart
    for (const candidate of sought(text, caret)) {
      const found = await offersFor(candidate, mine.signal)
      if (mine.signal.aborted || element !== field) return
      // Offers for another text or place would be written into the midst of this one.
      if (area.value !== text || area.selectionStart !== caret) return
      if (found.length > 0) return open(candidate, found)
    }
    close()
  }

  async function offersFor({ words, lora }, signal) {
    if (lora) return among(installed.filter(({ kind }) => kind === 'lora'), words, setup.most)
    if (words.trim().length < setup.after) return []
    const here = among(installed, words, setup.most)
    if (setup.tags === 0) return here
    const path = `plugins/autocompletion/match?q=${encodeURIComponent(words)}`
    const answer = await easel.fetch(path, { signal }).catch(() => null)
    if (!answer?.ok) return here
    const { matches } = await answer.json()
    const tags = matches.map((match) => ({ kind: 'tag', ...match }))
    return [...here.slice(0, Math.ceil(setup.most / 2)), ...tags].slice(0, setup.most)
  }

  function open(candidate, found) {
    place = { ...candidate, text: handleOf(field).value }
    offers = found
    chosen = 0
    list.replaceChildren(...found.map(option))
    list.setAttribute('aria-label', say('list'))
    list.hidden = false
    status.textContent = say('count').replace('{n}', String(found.length))
    mark()
    stand()
  }

  function option(offer, at) {
    const item = document.createElement('li')
    Object.assign(item, { id: `${own}-${at}`, role: 'option' })
    const name = document.createElement('span')
    name.className = 'offer-name'
    name.textContent = offer.kind === 'tag' && setup.spaces ? offer.name.replaceAll('_', ' ') : offer.name
    const more = document.createElement('span')
    more.className = 'offer-more'
    more.textContent = offer.kind === 'tag' ? [offer.alias, offer.count ? short(offer.count) : ''].filter(Boolean).join(' · ') : say(offer.kind)
    item.dataset.kind = offer.kind === 'tag' ? (CATEGORIES[Number(offer.category)] ?? '') : offer.kind
    item.append(name, more)
    item.addEventListener('pointerdown', (event) => {
      event.preventDefault() // the field keeps the focus
      chosen = at
      accept()
    })
    return item
  }

  function mark() {
    ;[...list.children].forEach((item, at) => item.setAttribute('aria-selected', String(at === chosen)))
    list.children[chosen]?.scrollIntoView({ block: 'nearest' })
    if (!field) return
    handleOf(field).describe({
      'aria-autocomplete': 'list',
      'aria-controls': own,
      'aria-expanded': 'true',
      'aria-activedescendant': `${own}-${chosen}`,
    })
  }

  /** Below the line of the caret, or above it where there is no room. */
  function stand() {
    if (!field || list.hidden) return
    const caret = handleOf(field).caretAt(place.start)
    if (!caret) return
    const { left, top, line } = caret
    const { width, height } = list.getBoundingClientRect()
    const below = top + line + 4
    const above = top - height - 4
    list.style.left = `${Math.max(8, Math.min(left, window.innerWidth - width - 8))}px`
    list.style.top = `${below + height > window.innerHeight && above > 0 ? above : below}px`
  }

  function close() {
    window.clearTimeout(timer)
    abort?.abort()
    if (list.hidden) return
    list.hidden = true
    offers = []
    status.textContent = ''
    if (field) handleOf(field).describe({})
  }

  function accept() {
    const offer = offers[chosen]
    const area = field && handleOf(field)
    if (!offer || !area || area.value !== place.text) return close()
    const after = area.value.slice(place.end)
    area.insert(place.start, place.end, written(offer, after, setup))
    close()
  }

  /** Of a plain field, what the browser tells; the editor tells itself whether a key wrote. */
  function typed(event) {
    if (!event.target.matches?.(FIELD)) return
    if (event.type === 'input' && event.target.promptField) return
    field = event.target
    window.clearTimeout(timer)
    if (composing || event.isComposing) return close()
    // What was just written by an accepted offer asks for nothing.
    if (event.detail?.typed === false) return close()
    if (event.inputType === 'insertText' && (event.data?.length ?? 0) > 1) return close()
    timer = window.setTimeout(() => void refresh().then(look), PAUSE_MS)
  }

  function pressed(event) {
    if (list.hidden || event.target !== field || event.isComposing || composing) return
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return close()
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: 5, PageUp: -5 }
    if (event.key in moves) {
      const count = offers.length
      const by = moves[event.key]
      chosen = Math.abs(by) === 1 ? (chosen + by + count) % count : Math.min(count - 1, Math.max(0, chosen + by))
      mark()
    } else if (event.key === 'Enter' || event.key === 'Tab') accept()
    else if (event.key === 'Escape') close()
    else {
      if (['ArrowLeft', 'ArrowRight', 'Home', 'End'].includes(event.key)) close()
      return
    }
    event.preventDefault()
    event.stopPropagation()
  }

  function entered(event) {
    if (event.target.matches?.(FIELD)) void refresh()
  }
  function began() {
    composing = true
    close()
  }
  function ended(event) {
    composing = false
    typed(event)
  }
  const ways = [
    [section, 'input', typed],
    [section, 'promptinput', typed],
    [section, 'keydown', pressed, true],
    [section, 'focusin', entered],
    [section, 'focusout', close],
    [section, 'click', close],
    [section, 'compositionstart', began],
    [section, 'compositionend', ended],
    [window, 'scroll', stand, true],
    [window, 'resize', close],
  ]
  for (const [target, name, act, capture] of ways) target.addEventListener(name, act, capture)
  return () => {
    close()
    for (const [target, name, act, capture] of ways) target.removeEventListener(name, act, capture)
  }
}

/** How a field is read and written: an editor's own way, or that of a textarea. */
function handleOf(element) {
  return (
    element.promptField ?? {
      get value() {
        return element.value
      },
      get selectionStart() {
        return element.selectionStart
      },
      get selectionEnd() {
        return element.selectionEnd
      },
      insert(start, end, text) {
        element.setSelectionRange(start, end)
        // The only way of writing that the browser's own undo knows.
        document.execCommand('insertText', false, text)
      },
      caretAt: (at) => caretOf(element, at),
      describe(attributes) {
        for (const name of DESCRIBED) {
          if (name in attributes) element.setAttribute(name, attributes[name])
          else element.removeAttribute(name)
        }
      },
    }
  )
}

/** Where a letter of a field stands on the screen: a copy of the field's text is measured. */
function caretOf(area, at) {
  const style = getComputedStyle(area)
  const copy = document.createElement('div')
  for (const name of ['fontFamily', 'fontSize', 'fontWeight', 'letterSpacing', 'lineHeight', 'padding', 'border', 'boxSizing']) {
    copy.style[name] = style[name]
  }
  Object.assign(copy.style, {
    position: 'absolute',
    visibility: 'hidden',
    whiteSpace: 'pre-wrap',
    overflowWrap: 'break-word',
    width: `${area.clientWidth}px`,
  })
  const mark = document.createElement('span')
  mark.textContent = '\u200b'
  copy.append(area.value.slice(0, at), mark)
  document.body.append(copy)
  const field = area.getBoundingClientRect()
  const found = {
    left: field.left + mark.offsetLeft,
    top: field.top + mark.offsetTop - area.scrollTop,
    line: mark.offsetHeight,
  }
  copy.remove()
  return found
}
