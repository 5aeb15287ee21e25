/** The least and greatest number that a field takes. */
export type Range = readonly [min: number, max: number]

export const isWithin = (value: number, [min, max]: Range): boolean => value >= min && value <= max

export const clamp = (value: number, [min, max]: Range): number => Math.min(Math.max(value, min), max)
