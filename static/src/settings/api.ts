/** The service's options: what each is, its value, and how it is changed and taken back. */
import { get, post } from '../api/client'
import type { Options } from '../api/sdapi'

export type OptionKind = 'switch' | 'whole' | 'number' | 'text' | 'words' | 'choice' | 'colour'

export interface OptionFacts {
  name: string // AUTOMATIC1111's
  section: string
  kind: OptionKind
  value: unknown
  default: unknown // what holds where nothing is set here
  own: boolean // whether something is
  enforced: boolean // the same for all users
  least: number | null
  most: number | null
  choices: (string | null)[]
}

export interface OptionList {
  options: OptionFacts[]
  idle: string[] // AUTOMATIC1111's that do nothing here
  quick: string[] // what stands above the drawing settings
}

export const listOptions = () => get<OptionList>('api/options')
export const setOptions = (changes: Options) => post<null>('sdapi/v1/options', changes)
export const resetOptions = (names: readonly string[]) => post<OptionList>('api/options/reset', { names })
