/** BeautifulPrompt's section: a few words in, fuller prompts out, the original always beside them. */
import { WORDS } from './words.js'

const ROUTE = 'plugins/beautifulprompt'
const KEPT = 'easel.beautifulprompt' // what the reader filled in, from visit to visit
const EMBEDDED = 'Easel words'
const POLL_MS = 300
const MODELS_MS = 4000 // how soon a folder that was copied is listed

/** Numbers that a language model is asked with; empty is as the model likes it. */
const NUMBERS = [
  { name: 'temperature', least: 0.05, most: 3, step: 0.05 },
  { name: 'top_k', least: 1, most: 300, step: 1 },
  { name: 'top_p', least: 0.01, most: 1, step: 0.01 },
  { name: 'repetition_penalty', least: 1, most: 2, step: 0.05 },
  { name: 'max_length', least: 8, most: 400, step: 1 },
  { name: 'seed', least: -1, most: 4294967295, step: 1 },
]

export default function mount(element, easel) {
  const state = { models: [], answer: null, running: null, problem: '', asked: '' }
  const say = (key, given = {}) => {
    const text = (WORDS[easel.language] ?? WORDS.en)[key] ?? WORDS.en[key]
    return text.replace(/\{(\w+)\}/g, (_, name) => String(given[name] ?? ''))
  }
  const fields = build(element, say)
  remembered(fields)
  fields.form.addEventListener('submit', (event) => {
    event.preventDefault()
    void generate()
  })
  fields.form.addEventListener('input', () => keep(fields))
  fields.model.addEventListener('change', showHint)
  fields.cancel.addEventListener('click', () => void cancel())
  fields.prompt.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) fields.form.requestSubmit()
  })
  easel.follow(() => {
    label(fields, say)
    fillModels()
    show()
  })
  void load()
  fields.model.addEventListener('focus', () => void refresh())
  const watching = setInterval(() => {
    if (element.offsetParent !== null && document.visibilityState === 'visible') void refresh()
  }, MODELS_MS)

  async function load() {
    const answer = await easel.fetch(`${ROUTE}/model_list`)
    if (!answer.ok) return fail(await reason(answer))
    await take(answer)
    show()
  }

  /** Models come and go while the section is open; a service that is away is told by others. */
  async function refresh() {
    const answer = await easel.fetch(`${ROUTE}/model_list`).catch(() => null)
    if (answer?.ok) await take(answer)
  }

  async function take(answer) {
    const { models } = await answer.json()
    if (JSON.stringify(models) === JSON.stringify(state.models)) return
    state.models = models
    fillModels()
  }

  function fillModels() {
    const chosen = fields.model.value || fields.model.dataset.kept || ''
    const options = state.models.map(({ name, embedded, fault }) => {
      const text = embedded ? say('embedded') : fault ? say('faulty', { name }) : name
      return new Option(text, name, false, name === chosen)
    })
    fields.model.replaceChildren(...options)
    showHint()
  }

  function showHint() {
    const model = state.models.find(({ name }) => name === fields.model.value)
    const own = state.models.length > 0 && state.models.every(({ embedded }) => embedded)
    const parts = []
    if (model?.embedded) parts.push(say('embeddedHint'))
    if (own) parts.push(say('noModels'))
    if (model?.fault) parts.push(model.fault)
    fields.hint.textContent = parts.join(' ')
    for (const { name } of NUMBERS) {
      fields[name].placeholder = String(model?.defaults?.[name] ?? (name === 'seed' ? -1 : ''))
      fields[name].disabled = Boolean(model?.embedded) && name !== 'seed'
    }
  }

  function wish() {
    const body = { prompt: fields.prompt.value.trim(), count: Number(fields.count.value) || 5 }
    if (fields.model.value) body.model = fields.model.value
    for (const { name } of NUMBERS) {
      if (!fields[name].disabled && fields[name].value !== '') body[name] = Number(fields[name].value)
    }
    return body
  }

  async function generate() {
    if (state.running) return
    const body = wish()
    if (!body.prompt) {
      fields.prompt.focus()
      return fail(say('nothing'))
    }
    const abort = new AbortController()
    const letters = Math.random().toString(36).slice(2, 9).toUpperCase().padEnd(7, 'X')
    state.running = { abort, task: `task(beautifulprompt-${letters})`, active: false, stopped: false }
    state.problem = ''
    show()
    const timer = setInterval(() => void look(), POLL_MS)
    try {
      const answer = await easel.fetch(`${ROUTE}/generate_prompt?id_task=${encodeURIComponent(state.running.task)}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
        signal: abort.signal,
      })
      if (answer.ok) {
        const told = await answer.json()
        if (told.prompts?.length > 0) state.answer = told // of an interrupted one, what there is
      } else if (!state.running.stopped) state.problem = await reason(answer)
    } catch (error) {
      if (!abort.signal.aborted) state.problem = error.message || say('unreached')
    } finally {
      clearInterval(timer)
      state.running = null
      show()
    }
  }

  async function look() {
    const mine = state.running
    if (!mine) return
    const answer = await post('internal/progress', { id_task: mine.task, live_preview: false })
    if (!answer.ok || mine !== state.running) return
    const { active, queued, progress, textinfo } = await answer.json()
    mine.active = active
    if (mine.stopped) return
    if (typeof progress === 'number' && active) fields.bar.value = progress
    else fields.bar.removeAttribute('value')
    fields.status.textContent = queued ? say('queued') : textinfo && active ? textinfo : say('writing')
  }

  /** What waits in line is left to stop by itself; what is being written is answered so far. */
  async function cancel() {
    const mine = state.running
    if (!mine) return
    mine.stopped = true
    fields.cancel.disabled = true
    fields.status.textContent = say('stopping')
    await post(`sdapi/v1/interrupt?id_task=${encodeURIComponent(mine.task)}`, {})
    if (!mine.active) mine.abort.abort()
  }

  function post(path, body) {
    const headers = { 'Content-Type': 'application/json' }
    return easel.fetch(path, { method: 'POST', headers, body: JSON.stringify(body) })
  }

  function fail(text) {
    state.problem = text
    show()
  }

  async function reason(answer) {
    const told = await answer.json().catch(() => ({}))
    if (Array.isArray(told.detail)) {
      return told.detail.map(({ loc, msg }) => `${(loc ?? []).join('.')}: ${msg}`).join(' ')
    }
    const words = [told.errors, told.detail, told.error].find((text) => typeof text === 'string' && text)
    return words ?? say('failed', { status: answer.status })
  }

  function show() {
    const running = state.running !== null
    fields.generate.hidden = running
    fields.busy.hidden = !running
    fields.cancel.disabled = false
    if (running) {
      fields.bar.removeAttribute('value')
      fields.status.textContent = say('writing')
    }
    fields.problem.hidden = !state.problem
    fields.problem.textContent = state.problem
    fields.results.setAttribute('aria-busy', String(running))
    fields.results.replaceChildren(...(state.answer ? rows(state.answer) : [node('p', 'bp-empty', say('empty'))]))
  }

  function rows({ original, prompts, negative_prompt: negative, model }) {
    const list = node('ol', 'bp-rows')
    list.append(...prompts.map((prompt) => row(prompt, original, negative)))
    const head = node('div', 'bp-original')
    head.append(node('span', 'bp-tag', say('original')), node('p', '', original), acts(original, ''))
    const by = model === EMBEDDED ? say('byEmbedded') : say('by', { model })
    return [head, list, node('p', 'bp-by', by)]
  }

  function row(prompt, original, negative) {
    const item = node('li', 'bp-row')
    const text = node('p', '')
    const at = prompt.toLowerCase().indexOf(original.toLowerCase())
    if (at < 0) text.textContent = prompt
    else {
      // What was asked stands out of what was added.
      text.append(prompt.slice(0, at), node('b', '', prompt.slice(at, at + original.length)))
      text.append(prompt.slice(at + original.length))
    }
    item.append(text, acts(prompt, negative))
    return item
  }

  function acts(prompt, negative) {
    const group = node('div', 'bp-acts')
    const given = negative || undefined
    group.append(
      button(say('toTxt2img'), () => easel.toTxt2img(prompt, given)),
      button(say('toImg2img'), () => easel.toImg2img(prompt, given)),
    )
    return group
  }

  function button(text, act) {
    const made = node('button', 'plain', text)
    made.type = 'button'
    made.addEventListener('click', act)
    return made
  }

  return () => {
    clearInterval(watching)
    state.running?.abort.abort()
  }
}

function node(kind, className = '', text = '') {
  const made = document.createElement(kind)
  if (className) made.className = className
  if (text) made.textContent = text
  return made
}

/** The fields, by name. */
function build(element, say) {
  const sheet = node('link')
  sheet.rel = 'stylesheet'
  sheet.href = new URL('tab.css', import.meta.url).href
  element.append(sheet)
  element.classList.add('bp')

  const form = node('form', 'panel bp-form')
  const fields = { form, labels: {} }
  form.append(node('h2', '', 'BeautifulPrompt'), (fields.lead = node('p', 'bp-lead')))
  fields.prompt = control('textarea', 'prompt')
  fields.prompt.rows = 3
  const pair = node('div', 'bp-pair')
  form.append(field('prompt'), pair)
  fields.model = control('select', 'model')
  fields.count = numeric('count', { least: 1, most: 50, step: 1 })
  fields.count.value = '5'
  pair.append(field('model'), field('count'))
  form.append((fields.hint = node('p', 'bp-hint')))

  const more = node('details')
  const grid = node('div', 'bp-grid')
  more.append((fields.more = node('summary')), grid)
  for (const limits of NUMBERS) {
    fields[limits.name] = numeric(limits.name, limits)
    grid.append(field(limits.name))
  }
  form.append(more)

  fields.problem = node('p', 'bp-problem')
  fields.problem.setAttribute('role', 'alert')
  fields.generate = node('button', 'primary')
  fields.generate.id = 'beautifulprompt_generate'
  fields.generate.type = 'submit'
  fields.busy = node('div', 'bp-busy')
  fields.status = node('span')
  fields.status.setAttribute('role', 'status')
  fields.cancel = node('button')
  fields.cancel.type = 'button'
  fields.bar = node('progress')
  fields.busy.append(fields.status, fields.cancel, fields.bar)
  form.append(fields.problem, fields.generate, fields.busy)

  fields.results = node('section', 'panel bp-results')
  fields.results.setAttribute('aria-live', 'polite')
  element.append(form, fields.results)
  label(fields, say)
  return fields

  function control(kind, name) {
    const made = node(kind)
    made.id = `beautifulprompt_${name}`
    return made
  }

  function numeric(name, { least, most, step }) {
    const made = control('input', name)
    Object.assign(made, { type: 'number', min: least, max: most, step })
    return made
  }

  function field(name) {
    const whole = node('div', 'bp-field')
    const text = node('label')
    text.htmlFor = `beautifulprompt_${name}`
    fields.labels[name] = text
    whole.append(text, fields[name])
    return whole
  }
}

/** Every word of the form, in the language of the page. */
function label(fields, say) {
  fields.lead.textContent = say('lead')
  fields.prompt.placeholder = say('placeholder')
  fields.more.textContent = say('more')
  fields.generate.textContent = say('generate')
  fields.cancel.textContent = say('cancel')
  fields.bar.setAttribute('aria-label', say('writing'))
  fields.results.setAttribute('aria-label', say('results'))
  for (const [name, text] of Object.entries(fields.labels)) text.textContent = say(name)
}

function kept() {
  try {
    return JSON.parse(localStorage.getItem(KEPT) ?? '{}')
  } catch {
    return {} // somebody else's words under our name
  }
}

function remembered(fields) {
  const known = kept()
  for (const name of ['prompt', 'count', ...NUMBERS.map((one) => one.name)]) {
    if (typeof known[name] === 'string') fields[name].value = known[name]
  }
  if (typeof known.model === 'string') fields.model.dataset.kept = known.model
}

function keep(fields) {
  const names = ['prompt', 'model', 'count', ...NUMBERS.map((one) => one.name)]
  localStorage.setItem(KEPT, JSON.stringify(Object.fromEntries(names.map((name) => [name, fields[name].value]))))
}
