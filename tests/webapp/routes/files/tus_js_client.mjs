// Drives tus-js-client: node tus_js_client.mjs PACKAGE_JSON ENDPOINT FILE; prints what it saw as JSON.
import { createRequire } from 'node:module'
import { createReadStream, readFileSync, statSync } from 'node:fs'

const [packages, endpoint, path] = process.argv.slice(2)
const tus = createRequire(packages)('tus-js-client')
const size = statSync(path).size
const bytes = readFileSync(path)

const metadata = (filename) => ({ folder: '/data/outputs', filename })

function upload(source, options) {
  return new Promise((resolve, reject) => {
    const made = new tus.Upload(source, {
      endpoint,
      retryDelays: [0, 100],
      ...options,
      onError: reject,
      onSuccess: () => resolve(made.url),
    })
    made.start()
  })
}

const seen = {}
await upload(bytes, { metadata: metadata('whole.png') })
await upload(createReadStream(path), {
  metadata: metadata('chunks.png'), chunkSize: 70_000, uploadSize: size,
})
await upload(bytes, { metadata: metadata('created.png'), uploadDataDuringCreation: true })
await upload(bytes, { metadata: metadata('override.png'), overridePatchMethod: true })
await upload(bytes, { metadata: metadata('parallel.png'), parallelUploads: 3 })

// One that is stopped half-way, found again by its address, and goes on.
const first = await new Promise((resolve, reject) => {
  const made = new tus.Upload(bytes, {
    endpoint, metadata: metadata('resumed.png'), chunkSize: 50_000, onError: reject,
    onChunkComplete: (_chunk, accepted) => {
      if (accepted >= 100_000) made.abort().then(() => resolve(made.url), reject)
    },
  })
  made.start()
})
const offsets = []
await upload(bytes, {
  uploadUrl: first, chunkSize: 50_000, metadata: metadata('resumed.png'),
  onChunkComplete: (_chunk, accepted) => offsets.push(accepted),
})
seen.resumed_from = offsets[0] - 50_000

// One that is ended.
const ended = new tus.Upload(bytes, {
  endpoint, metadata: metadata('ended.png'), chunkSize: 50_000,
  onChunkComplete: () => {},
})
await new Promise((resolve, reject) => {
  ended.options.onError = reject
  ended.options.onChunkComplete = () => ended.abort(true).then(resolve, reject)
  ended.start()
})
seen.after_the_end = (await fetch(ended.url, { method: 'HEAD', headers: { 'Tus-Resumable': '1.0.0' } })).status

// A name that is taken.
seen.taken = await upload(bytes, { metadata: metadata('whole.png'), retryDelays: null }).then(
  () => 'sent',
  (error) => error.originalResponse.getStatus(),
)
console.log(JSON.stringify(seen))
