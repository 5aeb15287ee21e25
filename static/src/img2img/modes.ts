/** Ways to start from a picture. */
export type Mode = 'image' | 'sketch' | 'inpaint' | 'inpaintSketch' | 'batch'
