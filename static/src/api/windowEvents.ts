/**
 * The one event stream of this window: models, files, and the jobs that it follows. A browser allows six
 * connections to a host, and each stream holds a thread of the service. It is opened anew when something
 * more is followed; the service tells again what a job has drawn, and goes on where files stood.
 */
import { address, probeConnection } from './client'

const RETRY_MS = 3000
const MAX_JOBS = 16 // that the service tells of on one stream; the others are asked about

export interface JobListener {
  onPicture: (number: number, url: string) => void // told again when the stream is opened anew
  onEnd: () => void
}

export interface ModelListener {
  onModels: () => void // at first, when models change, and when they may have
  onRefused: () => void // nothing is told any more until somebody follows models anew
}

/** Told of paths that have changed; null: more happened than is remembered. */
export type FileListener = (paths: string[] | null) => void

export type WindowEvents = ReturnType<typeof createWindowEvents>

export function createWindowEvents() {
  const jobs = new Map<string, JobListener>()
  const files = new Set<FileListener>()
  let models: ModelListener | null = null
  let stream: EventSource | null = null
  let opened = '' // what the stream tells of
  let place = '' // where files stand
  let revision = -1 // of the models, as told
  let timer = 0

  function wanted(): string {
    const asked = [...jobs.keys()].slice(0, MAX_JOBS).map((job) => `job=${encodeURIComponent(job)}`)
    return [...asked, ...(files.size ? ['files=1'] : [])].join('&')
  }

  /** Open the stream soon, unless it tells of all that is wanted already. */
  function update(anew = false) {
    window.clearTimeout(timer)
    if (!models && !files.size && !jobs.size) return close()
    const tells = new Set(opened.split('&'))
    const enough = stream && stream.readyState !== EventSource.CLOSED && !anew
    if (
      enough &&
      wanted()
        .split('&')
        .every((part) => tells.has(part))
    )
      return
    timer = window.setTimeout(open)
  }

  function close() {
    stream?.close()
    stream = null
    opened = place = ''
  }

  function open() {
    stream?.close()
    opened = wanted()
    const since = place && files.size ? `&since=${encodeURIComponent(place)}` : ''
    const latest = new EventSource(address(`api/v1/events?${opened}${since}`))
    stream = latest
    let ended = false // as the service does after a while; the browser comes again by itself
    listen(latest, () => (ended = true))
    latest.onerror = () => {
      if (latest !== stream) return
      const refused = latest.readyState === EventSource.CLOSED // an expired login, too many streams
      if (ended && !refused) return void (ended = false)
      revision = -1 // another service may be there then
      probeConnection()
      if (!refused) return
      if (models) models.onRefused()
      else timer = window.setTimeout(open, RETRY_MS)
    }
  }

  function listen(latest: EventSource, onBye: () => void) {
    const on = (name: string, act: (data: never, place: string) => void) =>
      latest.addEventListener(name, ({ data, lastEventId }: MessageEvent<string>) => {
        if (latest === stream) act(JSON.parse(data) as never, lastEventId)
      })
    on('models', (told: { revision: number }) => {
      if (told.revision === revision) return
      revision = told.revision
      models?.onModels()
    })
    on('ready', (_, at) => (place = at))
    on('change', (change: { path: string; previous: string | null }, at) => {
      place = at
      tellFiles([change.path, ...(change.previous ? [change.previous] : [])])
    })
    on('again', (_, at) => {
      place = at
      tellFiles(null)
    })
    on('picture', ({ job, number, url }: { job: string; number: number; url: string }) =>
      jobs.get(job)?.onPicture(number, address(url.replace(/^\/+/, ''))),
    )
    on('end', ({ job }: { job: string }) => jobs.get(job)?.onEnd())
    on('bye', onBye)
  }

  const tellFiles = (paths: string[] | null) => [...files].forEach((tell) => tell(paths))

  /** Follow the models, in place of whoever did before; opens the stream anew. */
  function followModels(listener: ModelListener) {
    models = listener
    revision = -1
    update(true)
    return () => {
      if (models === listener) models = null
      update()
    }
  }

  function followFiles(listener: FileListener) {
    files.add(listener)
    update()
    return () => {
      files.delete(listener)
      update()
    }
  }

  function followJob(job: string, listener: JobListener) {
    jobs.set(job, listener)
    update()
    return () => {
      if (jobs.get(job) === listener) jobs.delete(job)
      update()
    }
  }

  return { followModels, followFiles, followJob }
}

export const windowEvents = createWindowEvents()
