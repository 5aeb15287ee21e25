/** What can be done with any picture: the one table of the menu "Send to". */
import type { Rights } from '../rights'

export type ActionName =
  | 'source'
  | 'inpaint'
  | 'enlarge'
  | 'control'
  | 'settings'
  | 'prompt'
  | 'seed'
  | 'download'
  | 'share'
  | 'delete'

/** Where the menu is opened. */
export interface Surroundings {
  rights: Rights
  sections: ReadonlySet<string> // that the page offers
  hasControl: boolean // whether the service has ControlNet
  hasFiles: boolean // whether the caller may look at files
}

export interface PictureAction {
  name: ActionName // its label is `send.act.<name>`
  icon: 'picture' | 'brush' | 'resize' | 'fit' | 'back' | 'words' | 'dice' | 'download' | 'link' | 'clear'
  word: string // AUTOMATIC1111's
  right?: keyof Rights
  into?: readonly string[] // sections, one of which is needed
  reads?: boolean // needs an infotext
  saved?: boolean // needs the file on the disk
  apart?: boolean // a line above it
}

const FORMS = ['txt2img', 'img2img'] as const

export const ACTIONS: readonly PictureAction[] = [
  { name: 'source', icon: 'picture', word: 'Send to img2img', right: 'draw', into: ['img2img'] },
  { name: 'inpaint', icon: 'brush', word: 'Send to inpaint', right: 'draw', into: ['img2img'] },
  { name: 'enlarge', icon: 'resize', word: 'Send to extras', right: 'draw', into: ['extras'] },
  { name: 'control', icon: 'fit', word: 'Send to ControlNet', right: 'draw', into: FORMS },
  {
    name: 'settings',
    icon: 'back',
    word: 'Send to txt2img · Read generation parameters',
    right: 'draw',
    into: FORMS,
    reads: true,
    apart: true,
  },
  { name: 'prompt', icon: 'words', word: 'Prompt', right: 'draw', into: FORMS, reads: true },
  { name: 'seed', icon: 'dice', word: 'Reuse seed', right: 'draw', into: FORMS, reads: true },
  { name: 'download', icon: 'download', word: 'Save the image', apart: true },
  { name: 'share', icon: 'link', word: 'Share', right: 'change', saved: true },
  { name: 'delete', icon: 'clear', word: 'Delete', right: 'change', saved: true, apart: true },
]

/** The actions for a picture; what is not allowed, or leads nowhere, is left out. */
export function offeredActions(
  { known, maySave }: { known: string | null; maySave: boolean },
  { rights, sections, hasControl, hasFiles }: Surroundings,
): PictureAction[] {
  return ACTIONS.filter(
    ({ name, right, into, reads, saved }) =>
      (!right || rights[right]) &&
      (!into || into.some((section) => sections.has(section))) &&
      (!reads || known !== '') &&
      (!saved || (maySave && hasFiles)) &&
      (name !== 'control' || hasControl),
  )
}

/** The form that takes settings: the open one, else the first that is offered. */
export function formFor(open: string, sections: ReadonlySet<string>): (typeof FORMS)[number] {
  const offered = FORMS.filter((each) => sections.has(each))
  return offered.find((each) => each === open) ?? offered[0] ?? 'txt2img'
}

/** The seed in an infotext; null where none is told. */
export function seedOf(infotext: string): number | null {
  const told = /(?:^|[\n,])\s*Seed: (\d+)/.exec(infotext)?.[1]
  return told === undefined ? null : Number(told)
}
