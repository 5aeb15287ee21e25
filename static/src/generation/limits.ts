/** What the API takes in a field; a test compares them. */
import type { Range } from '../components/ranges'
import limits from './limits.json'

export const LIMITS = limits as unknown as Record<keyof typeof limits, Range>
