/** Modes of img2img. */
export const MODES = ['image', 'sketch', 'inpaint', 'inpaintSketch', 'batch'] as const
export type Mode = (typeof MODES)[number]
