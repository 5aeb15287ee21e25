/** A picture that can be sent on, wherever it is shown. */
import { fetchOk } from '../api/client'
import { pictureInfo } from '../api/sdapi'
import { contentUrl, fetchContent, fetchPreview } from '../files/api'
import { fileName } from '../generation/downloads'
import type { Picture } from '../generation/useGeneration'
import { toDataUri } from '../pictures'
import { findOnDisk } from './findOnDisk'

export interface SendablePicture {
  name: string // of the file that a download makes
  url: string
  known: string | null // its infotext; '': it tells nothing, null: it is not read yet
  stays?: boolean // it came of image to image: sent back there, fields and mask stay
  maySave: boolean // whether it is, or may be, a file of the service
  blob: () => Promise<Blob>
  infotext: () => Promise<string>
  path: () => Promise<string | null> // of the file; null: there is none
  removed?: () => () => void // its file is deleted; the answer is called when that is undone
}

interface FoundFile {
  path: string
  name: string
  modified: number
}

/** A file of the service. `known`: its infotext, where it was read. */
export function sendableFile(
  { path, name, modified }: FoundFile,
  known: string | null = null,
  removed?: () => () => void,
): SendablePicture {
  return {
    name,
    url: contentUrl(path, modified),
    known,
    maySave: true,
    removed,
    blob: async () => (await fetchContent(path)).blob(),
    infotext: async () => known ?? (await fetchPreview(path)).picture?.infotext ?? '',
    path: async () => path,
  }
}

/** A picture that this window has drawn. */
export function sendableDrawn(picture: Picture, stays: boolean, removed: () => () => void): SendablePicture {
  return {
    name: fileName(picture),
    url: picture.url,
    known: picture.infotext,
    stays,
    maySave: picture.infotext !== '', // a map is not saved
    removed,
    blob: async () => picture.blob,
    infotext: async () => picture.infotext,
    path: () => findOnDisk(picture),
  }
}

/** A picture of the reader's own, or one that is not saved. */
export function sendableBlob(name: string, url: string, blob: Blob, known = ''): SendablePicture {
  return {
    name,
    url,
    known,
    maySave: false,
    blob: async () => blob,
    infotext: async () => known,
    path: async () => null,
  }
}

/** A picture at an address of the service that is no file of it yet; its bytes tell its settings. */
export function sendableUrl(name: string, url: string): SendablePicture {
  const blob = async () => (await fetchOk(url)).blob()
  return {
    name,
    url,
    known: null,
    maySave: false,
    blob,
    infotext: async () => (await pictureInfo(await toDataUri(await blob()))).info,
    path: async () => null,
  }
}
