/** The file of a picture that this window has drawn. */
import { fetchPreview } from '../files/api'
import { NO_FILTER, pictures } from '../gallery/api'
import type { Picture } from '../generation/useGeneration'

const LOOKED_AT = 200 // of the latest pictures

/** Its path, by size and seed and then by its infotext; null where it was not saved, or is gone. */
export async function findOnDisk({ infotext, seed, width, height }: Picture): Promise<string | null> {
  const page = await pictures({ ...NO_FILTER }, 0, LOOKED_AT)
  const alike = page.pictures.filter(
    (one) => one.seed === seed && one.width === width && one.height === height,
  )
  for (const { path } of alike) if ((await fetchPreview(path)).picture?.infotext === infotext) return path
  return null
}
