/** HTTP client of the API: JSON requests and answers, readable errors. */
import { ref } from 'vue'

/** True after an answer of 401; the login is shown then. */
export const loginNeeded = ref(false)

/** True from a request that did not reach the service until one that did. */
export const connectionLost = ref(false)

const PROBE_MS = 1000

let loginCount = 0
let probing = false

/** Ask the service whether it is there, again and again until it is. */
export function probeConnection() {
  if (probing) return
  probing = true
  void fetchAny('internal/ping', {}, true)
    .catch(() => window.setTimeout(probeConnection, PROBE_MS))
    .finally(() => (probing = false))
}

/** Call after a login: late 401 answers to earlier requests are ignored. */
export function onLoggedIn() {
  loginCount += 1
  loginNeeded.value = false
}

/** What is refused: a code of docs/errors.md, the path of the field at fault, and what may be. */
export interface Refusal {
  code: string
  field: string // empty: no field is at fault
  values: Record<string, unknown>
  sentence: string // the service's, in English, without the field
}

/** An answer other than 2xx. `fields`: messages by field of the request. */
export class ApiError extends Error {
  constructor(
    readonly status: number, // 0: the service was not reached
    message: string,
    readonly fields: Record<string, string> = {},
    readonly kind = '', // name of the service's error
    readonly refusals: readonly Refusal[] = [],
  ) {
    super(message)
  }
}

export async function get<T>(path: string): Promise<T> {
  return send<T>(path, { method: 'GET' })
}

/** `quiet`: an answer of 401 does not open the login. */
export async function post<T>(
  path: string,
  body: unknown = {},
  quiet = false,
  headers: Record<string, string> = {},
): Promise<T> {
  const init = {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  }
  return send<T>(path, init, quiet)
}

export async function put<T>(path: string, body: unknown): Promise<T> {
  return send<T>(path, {
    method: 'PUT',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  })
}

export async function patch<T>(path: string, body: unknown): Promise<T> {
  return send<T>(path, {
    method: 'PATCH',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  })
}

export async function remove<T>(path: string): Promise<T> {
  return send<T>(path, { method: 'DELETE' })
}

/** The URL of a route, below `--root-path`. */
export function address(path: string): string {
  return new URL(path, document.baseURI).href
}

async function send<T>(path: string, init: RequestInit, quiet = false): Promise<T> {
  const initWithAccept = { ...init, headers: { Accept: 'application/json', ...init.headers } }
  return (await (await fetchOk(path, initWithAccept, quiet)).json().catch(() => null)) as T
}

/** The response itself, for answers that are no JSON. Throws `ApiError` unless it is 2xx. */
export async function fetchOk(path: string, init: RequestInit = {}, quiet = false): Promise<Response> {
  const response = await fetchAny(path, init, quiet)
  if (response.ok) return response
  throw toApiError(response.status, await response.json().catch(() => null))
}

/** The response whatever its status. Throws `ApiError` with status 0 if the service is not reached. */
export async function fetchAny(path: string, init: RequestInit = {}, quiet = false): Promise<Response> {
  const loginsBefore = loginCount
  let response: Response
  try {
    response = await fetch(address(path), init)
  } catch (error) {
    if (init.signal?.aborted) throw error
    connectionLost.value = true
    throw new ApiError(0, '')
  }
  connectionLost.value = false
  if (response.status === 401 && !quiet && loginsBefore === loginCount) loginNeeded.value = true
  return response
}

interface FieldError {
  loc: (string | number)[]
  msg: string
}

/** Reads both error formats: 422's list of fields, and AUTOMATIC1111's envelope. */
export function toApiError(status: number, body: unknown): ApiError {
  const { detail, errors, error, others } = (body ?? {}) as Record<string, unknown>
  if (Array.isArray(detail)) {
    const faults = detail as FieldError[]
    const told = [body, ...(Array.isArray(others) ? (others as unknown[]) : [])]
    const refusals = faults.flatMap(({ msg }, at) => toRefusal(told[at], msg))
    return new ApiError(status, '', groupByField(faults), '', refusals)
  }
  const texts = [errors, detail].filter((text): text is string => typeof text === 'string')
  const message = texts.find((text) => text.trim() !== '') ?? ''
  const refusals = toRefusal(body, message.replace(FIELD_BEFORE, ''))
  return new ApiError(status, message, {}, typeof error === 'string' ? error : '', refusals)
}

/** The path of a field before the sentence about it. */
const FIELD_BEFORE = /^[a-zA-Z_]\w*(\.\w+|\[\d+\])*(, '[^']*')?: /

/** What a part of an answer says to programs, as a list of one; empty where it says nothing. */
function toRefusal(body: unknown, sentence: string): Refusal[] {
  const { code, field, values } = (body ?? {}) as Partial<Refusal>
  if (typeof code !== 'string') return []
  return [{ code, field: field ?? '', values: values ?? {}, sentence }]
}

function groupByField(list: FieldError[]): Record<string, string> {
  const fields: Record<string, string> = {}
  for (const { loc, msg } of list) {
    const name = String(loc.filter((part) => part !== 'body').at(-1) ?? 'body')
    fields[name] = name in fields ? `${fields[name]} ${msg}` : msg
  }
  return fields
}
