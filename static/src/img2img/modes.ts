/** Modes of img2img. */
export type Mode = 'image' | 'sketch' | 'inpaint' | 'inpaintSketch' | 'batch'
