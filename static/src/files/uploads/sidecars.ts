/** What describes weights beside them under their name: as the service moves it along. */
import type { PickedFile } from './droppedFiles'

const WEIGHTS = /^(.+)\.(safetensors|ckpt|pt|pth|bin|gguf)$/i
const PICTURES = 'png|jpe?g|webp|gif|avif|jxl'
const BESIDE = new RegExp(
  `^\\.(ya?ml|json|txt|description\\.txt|info|civitai\\.info|metadata\\.json|cm-info\\.json|sha256|${PICTURES}` +
    `|preview\\.(${PICTURES}|mp4|webm))$`,
  'i',
)

/** The weights that each file belongs to, among those of its folder; the longest name wins. */
export function groupSidecars<F extends PickedFile>(files: readonly F[]): Map<F, F> {
  const weights = files.filter(({ file }) => WEIGHTS.test(file.name))
  const groups = new Map<F, F>()
  for (const one of files) {
    const owners = weights.filter(
      (owner) =>
        owner !== one && owner.inner === one.inner && isBeside(one.file.name, stemOf(owner.file.name)),
    )
    const [owner] = owners.sort((a, b) => b.file.name.length - a.file.name.length)
    if (owner) groups.set(one, owner)
  }
  return groups
}

/** A sidecar's name beside weights that got another name. */
export function renameSidecar(name: string, weights: string, newWeights: string): string {
  return stemOf(newWeights) + name.slice(stemOf(weights).length)
}

const isBeside = (name: string, stem: string) => name.startsWith(stem) && BESIDE.test(name.slice(stem.length))

const stemOf = (name: string) => WEIGHTS.exec(name)?.[1] ?? name
