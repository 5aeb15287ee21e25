/** Places of the page: what the address tells after `#`, and AUTOMATIC1111's names for them. */

/** A section, and what is open in it: a folder, a picture, a mode; '' for what it begins with. */
export interface Place {
  section: string
  rest: string
}

const PLUGIN = 'plugin/' // sections of plugins have a name of two or more parts

/** AUTOMATIC1111's sections, by their names and labels as `plain` makes them. */
const KNOWN: Readonly<Record<string, Place>> = {
  texttoimage: { section: 'txt2img', rest: '' },
  imagetoimage: { section: 'img2img', rest: '' },
  inpaint: { section: 'img2img', rest: 'inpaint' },
  inpaintupload: { section: 'img2img', rest: 'inpaint' },
  sketch: { section: 'img2img', rest: 'sketch' },
  inpaintsketch: { section: 'img2img', rest: 'inpaintSketch' },
  batch: { section: 'img2img', rest: 'batch' },
  enlarge: { section: 'extras', rest: '' },
  modelmerger: { section: 'models', rest: 'make' },
  checkpointmerger: { section: 'models', rest: 'make' },
  train: { section: 'models', rest: 'train' },
  ti: { section: 'models', rest: 'train' },
  filebrowser: { section: 'files', rest: '' },
}

/** A name without capitals, spaces and the beginnings of AUTOMATIC1111's element ids. */
function plain(name: string): string {
  return name
    .toLowerCase()
    .replace(/^(?:tab|mode)_/, '')
    .replace(/[\s_-]+/g, '')
}

/** The place of a name; sections of plugins go by their name or, with a title, by that. */
export function placeOf(name: string): Place {
  return KNOWN[plain(name)] ?? { section: name.startsWith(PLUGIN) ? name : plain(name), rest: '' }
}

/** What `#…` means; null for nothing. */
export function readHash(hash: string): Place | null {
  const text = hash.replace(/^#\/?/, '')
  if (!text) return null
  const whole = decode(text)
  if (whole.startsWith(PLUGIN)) return { section: whole, rest: '' }
  const [name = '', ...parts] = text.split('/')
  const place = placeOf(decode(name))
  const rest = parts.map(decode).join('/')
  return rest ? { section: place.section, rest } : place
}

export function writeHash({ section, rest }: Place): string {
  return `#${[section, rest].filter(Boolean).join('/').split('/').map(encodeURIComponent).join('/')}`
}

/** A percent sign that encodes nothing stands for itself. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/**
 * Whether going back should come by the place before: a section, a folder, and the list around a
 * picture do; one picture after another, and a mode, do not.
 */
export function isStep(before: Place, now: Place): boolean {
  if (before.section !== now.section) return true
  if (now.section === 'files') return before.rest !== '' && now.rest !== ''
  return now.section === 'gallery' && (before.rest === '') !== (now.rest === '')
}

/** What the service says not to show, as `section` or `section/rest`. */
export function hiddenPlaces(names: readonly string[] = []): ReadonlySet<string> {
  const places = names.map(placeOf)
  return new Set(places.map(({ section, rest }) => [section, rest].filter(Boolean).join('/')))
}

/** Sections without the hidden ones, named or titled so; the first stays where none would. */
export function shownSections<T extends { name: string; title?: string; apart?: boolean }>(
  sections: readonly T[],
  hidden: ReadonlySet<string>,
): readonly T[] {
  const isHidden = ({ name, title, apart }: T) =>
    !apart && (hidden.has(name) || (title !== undefined && hidden.has(plain(title))))
  const shown = sections.filter((each) => !isHidden(each))
  return shown.some(({ apart }) => !apart) ? shown : [sections[0]!, ...shown]
}
