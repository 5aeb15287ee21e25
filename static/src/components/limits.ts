/** `v-limits="[min, max]"` on a number field tells its range to screen readers; nothing is clamped. */
import type { Directive } from 'vue'

type Limits = readonly [min: number | null | undefined, max: number | null | undefined]

/** The component would put the attributes on its frame, and takes limits only to clamp by them. */
function tell(frame: HTMLElement, [min, max]: Limits) {
  const field = frame.querySelector('input') ?? frame
  for (const [name, value] of [
    ['aria-valuemin', min],
    ['aria-valuemax', max],
  ] as const)
    if (typeof value === 'number') field.setAttribute(name, String(value))
    else field.removeAttribute(name)
}

export const vLimits: Directive<HTMLElement, Limits> = {
  mounted: (frame, { value }) => tell(frame, value),
  updated: (frame, { value }) => tell(frame, value),
}
