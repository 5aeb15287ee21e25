/** The form that a card's dialog may take defaults from, where it was opened from one. */
import type { InjectionKey } from 'vue'

import type { CheckpointDefaults } from '../models/api'

export interface FormDefaults {
  take: () => CheckpointDefaults
  names: (field: 'sampler_name' | 'scheduler') => readonly string[] // that the service has
}

export const FORM_DEFAULTS: InjectionKey<FormDefaults> = Symbol('form defaults')
