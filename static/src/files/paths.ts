/** Paths as the service writes them: "/<root>/name/name". */

export function joinPath(folder: string, name: string): string {
  return `${folder.replace(/\/+$/, '')}/${name}`
}

/** The folder that holds it; "" above a root. */
export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** The folders from the root down to the path itself. */
export function crumbsOf(path: string): { name: string; path: string }[] {
  const names = path.split('/').filter(Boolean)
  return names.map((name, at) => ({ name, path: `/${names.slice(0, at + 1).join('/')}` }))
}

/** Whether `path` is `folder` or lies below it. */
export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`)
}

/** The extension in lower case; "" for names without one and for ".hidden". */
export function extensionOf(name: string): string {
  const at = name.lastIndexOf('.')
  return at > 0 ? name.slice(at + 1).toLowerCase() : ''
}

/** The length of a name without its extension, to be selected for renaming. */
export function stemLength(name: string, folder: boolean): number {
  const at = name.lastIndexOf('.')
  return folder || at <= 0 ? name.length : at
}

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB', 'PB']

/** Format bytes in powers of 1000: "7.2 GB". */
export function formatSize(bytes: number): string {
  let unit = 0
  let value = bytes
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 || value >= 99.5 ? Math.round(value) : value.toPrecision(value < 9.95 ? 2 : 3)} ${UNITS[unit]}`
}

/** Format seconds as "1:02:03" or "2:03". */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  const visibleParts = parts[0] ? parts : parts.slice(1)
  return visibleParts.map((part, at) => (at ? String(part).padStart(2, '0') : String(part))).join(':')
}

// Bidirectional control characters: they make "gpj.exe" look like "exe.jpg".
const BIDI_CONTROLS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

/** A name for display: bidirectional control characters are shown by their code. */
export function displayName(name: string): string {
  return name.replace(
    BIDI_CONTROLS,
    (letter) => `‹U+${letter.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}›`,
  )
}
