/** Apart from what needs the options' texts, since every first load asks it. */
import type { Options } from '../api/sdapi'

/** Options that have a field in the drawing form already. */
const IN_FORM = ['sd_model_checkpoint']

/** What stands above the drawing settings, as the service's options say. */
export function quickNames({ quicksettings_list: chosen }: Options): string[] {
  return Array.isArray(chosen) ? chosen.map(String).filter((name) => !IN_FORM.includes(name)) : []
}
