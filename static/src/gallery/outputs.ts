/** Which of the files on disk the gallery shows. */
const PICTURE = /^\/[^/]+\/(?:.*\/)?outputs\/.*\.(?:png|jpe?g|webp|avif|gif)$/i
const FOLDER = /^\/[^/]+(?:\/(?:.*\/)?outputs(?:\/[^.]*)?)?$/

/** Whether a changed path is a picture among the outputs. */
export const isPicturePath = (path: string) => PICTURE.test(path)

/** Whether a changed path may mean pictures: one of them, a folder of them, or a whole tree. */
export const touchesPictures = (path: string) => isPicturePath(path) || FOLDER.test(path)
