/** Pace's section: what a job would take, the time of a step by kind, and where the rest went. */
import { WORDS } from './words.js'

const ROUTE = 'plugins/pace'
const AGAIN_MS = 5000 // between two looks while the section is seen
const NUMBERS = [
  { name: 'width', value: 512, least: 64, most: 4096, step: 8 },
  { name: 'height', value: 512, least: 64, most: 4096, step: 8 },
  { name: 'steps', value: 20, least: 1, most: 150, step: 1 },
  { name: 'pictures', value: 1, least: 1, most: 100, step: 1 },
]
const PARTS = ['start', 'sampling', 'finish']

export default function mount(element, easel) {
  const say = (key, given = {}) => {
    const text = (WORDS[easel.language] ?? WORDS.en)[key]
    return text.replace(/\{(\w+)\}/g, (_, name) => String(given[name] ?? ''))
  }
  let figures = null
  let asked = 0
  const sheet = node('link')
  Object.assign(sheet, { rel: 'stylesheet', href: new URL('tab.css', import.meta.url).href })
  const fault = Object.assign(node('p'), { hidden: true })
  fault.setAttribute('role', 'alert')
  const form = node('form', 'panel')
  const about = node('p', 'pace-about')
  about.setAttribute('role', 'status')
  const title = node('h2')
  const row = node('div', 'pace-fields')
  const measured = node('section', 'panel')
  const fields = { sampler: node('select') }
  for (const { name, value, least, most, step } of NUMBERS) {
    fields[name] = Object.assign(node('input'), { type: 'number', value, min: least, max: most, step })
  }
  const names = Object.fromEntries(Object.keys(fields).map((name) => [name, node('label')]))
  row.append(...Object.keys(fields).map((name) => labelled(names[name], fields[name], `pace_${name}`)))
  element.classList.add('pace')
  form.append(title, row, about)
  element.append(sheet, fault, form, measured)
  form.addEventListener('input', () => void reckon())
  form.addEventListener('submit', (event) => event.preventDefault())
  easel.follow(show)
  show()
  void look(true)
  const timer = setInterval(() => {
    if (element.offsetParent !== null && document.visibilityState === 'visible') void look(false)
  }, AGAIN_MS)
  return () => clearInterval(timer)

  async function look(first) {
    const told = await read('figures')
    if (told === null || JSON.stringify(told) === JSON.stringify(figures)) return
    figures = told
    if (first && told.paces.length > 0) {
      const { width, height } = told.paces[0] // what was drawn last is what is asked about
      Object.assign(fields.width, { value: width })
      Object.assign(fields.height, { value: height })
    }
    show()
  }

  async function reckon() {
    const mine = ++asked
    if (!figures?.paces.length || !form.checkValidity()) return void (about.textContent = '')
    const query = new URLSearchParams({
      model: figures.paces[0].model,
      sampler_name: fields.sampler.value,
      width: fields.width.value,
      height: fields.height.value,
      steps: fields.steps.value,
      n_iter: fields.pictures.value,
    })
    const told = await read(`estimate?${query}`)
    if (mine !== asked || told === null || told.seconds === null) return
    const { like } = told
    const given = { sampler: like.sampler, size: `${like.width} × ${like.height}` }
    const times = { time: time(told.seconds), pace: time(told.seconds_per_step) }
    about.textContent = say(told.exact ? 'about' : 'scaled', { ...given, ...times })
  }

  async function read(path) {
    const answer = await easel.fetch(`${ROUTE}/${path}`).catch(() => null)
    const told = await answer?.json().catch(() => null)
    fault.hidden = Boolean(answer?.ok)
    fault.textContent = fault.hidden ? '' : say('failure', { why: told?.detail ?? answer?.status ?? '' })
    return answer?.ok ? told : null
  }

  function show() {
    title.textContent = say('ask')
    for (const [name, label] of Object.entries(names)) label.textContent = say(name)
    const samplers = [...new Set((figures?.paces ?? []).map(({ sampler }) => sampler))]
    const chosen = fields.sampler.value
    if (samplers.join() !== [...fields.sampler.options].map(({ value }) => value).join()) {
      fields.sampler.replaceChildren(...samplers.map((name) => new Option(name, name, false, name === chosen)))
    }
    form.hidden = samplers.length === 0
    measured.replaceChildren(node('h2', '', say('title')), ...rows())
    void reckon()
  }

  function rows() {
    if (!figures?.paces.length) return [node('p', '', say('nothing'))]
    const { jobs, pictures, bytes, failures = {} } = figures
    const saved = { pictures, size: `${(bytes / 1e6).toFixed(1)} MB` }
    const kinds = Object.entries(failures).map(([kind, count]) => `${kind} ${count}`)
    const found = [paces(), node('h2', '', say('where', { jobs })), parts()]
    found.push(node('p', '', say('saved', saved)))
    if (kinds.length > 0) found.push(node('p', '', say('failed', { kinds: kinds.join(', ') })))
    return found
  }

  function paces() {
    const head = ['sampler', 'size', 'batch', 'model', 'perStep', 'measured'].map((key) => say(key))
    const body = figures.paces.map((pace) => [
      pace.sampler,
      `${pace.width} × ${pace.height}`,
      pace.batch,
      pace.model || say('first'),
      time(pace.seconds_per_step),
      pace.steps,
    ])
    return table(head, body, [2, 4, 5])
  }

  function parts() {
    const { seconds = {} } = figures
    const whole = PARTS.reduce((all, part) => all + (seconds[part] ?? 0), 0) || 1
    const share = (part) => `${Math.round((100 * (seconds[part] ?? 0)) / whole)} %`
    return table(null, PARTS.map((part) => [say(part), time(seconds[part] ?? 0), share(part)]), [1, 2])
  }

  function time(seconds) {
    if (seconds < 1) return say('millisecond', { n: Number((seconds * 1000).toPrecision(2)) })
    if (seconds < 100) return say('second', { n: Number(seconds.toPrecision(2)) })
    return say('minute', { n: Number((seconds / 60).toPrecision(2)) })
  }
}

/** Columns of `numbers` stand at the end of their cells. */
function table(head, body, numbers) {
  const whole = node('div', 'pace-scroll')
  const made = node('table')
  const line = (kind, cells) => {
    const row = node('tr')
    row.append(...cells.map((text, at) => node(kind, numbers.includes(at) ? 'number' : '', String(text))))
    return row
  }
  if (head) made.createTHead().append(line('th', head))
  made.createTBody().append(...body.map((cells) => line('td', cells)))
  whole.append(made)
  return whole
}

function labelled(label, field, id) {
  const both = node('div')
  label.htmlFor = field.id = id
  both.append(label, field)
  return both
}

function node(kind, className = '', text = '') {
  const made = document.createElement(kind)
  if (className) made.className = className
  if (text) made.textContent = text
  return made
}
