/** Which of the files on disk the gallery shows. */
const PICTURE = /^\/[^/]+\/(?:.*\/)?outputs\/.*\.(?:png|jpe?g|webp|avif|gif)$/i

/** Whether a changed path is a picture among the outputs. */
export const isPicturePath = (path: string) => PICTURE.test(path)
