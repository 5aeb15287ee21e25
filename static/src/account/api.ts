/** Routes of accounts: one's own, and everybody's for an admin. Times in seconds since 1970. */
import { get, patch, post, remove } from '../api/client'

const API = 'api/v1'
export const ROLES = ['member', 'viewer', 'admin'] as const
export type Role = (typeof ROLES)[number]
export const SCOPES = ['read', 'generate', 'user', 'metrics', 'owner'] as const
export type Scope = 'public' | 'files' | (typeof SCOPES)[number]

export interface Account {
  name: string
  role: Role | null // null: the holder of one of the flags' tokens
  scopes: Scope[]
  login: string | null // id of the login; null where the caller came another way
  password: boolean // whether there is one
}

export interface Login {
  id: string
  began: number
  seen: number
  expires: number
  address: string
  agent: string
  current: boolean
}

export interface Token {
  id: string
  label: string
  scopes: Scope[]
  created: number
  expires: number | null // null: never
  used: number | null
}

export interface NewToken extends Token {
  token: string // told this once
}

export interface TokenSpec {
  label: string
  scopes: Scope[]
  days: number | null
}

export interface User {
  name: string
  role: Role
  created: number
  disabled: boolean
  password: boolean
}

export interface Invitation {
  id: string
  role: Role
  name: string | null // null: the guest chooses
  created: number
  created_by: string
  expires: number
}

export interface NewInvitation extends Invitation {
  code: string
  url: string // both told this once
}

export interface AuditLine {
  id: number
  at: number
  actor: string
  action: string
  target: string
  detail: string
  address: string
  request: string
}

export interface AuditPage {
  entries: AuditLine[]
  before: number | null // asks for the next page; null: there is none
}

export const BY = ['user', 'group', 'model', 'day'] as const
export type UsageBy = (typeof BY)[number]

export interface UsageFigures {
  jobs: number
  gpu_seconds: number
  queue_seconds: number
  pictures: number
  megapixel_steps: number
  stored_bytes: number
  unbilled_seconds: number
  cost: number
}

export type UsageRow = UsageFigures & Partial<Record<UsageBy, string>>

export interface UsageReport {
  from: string // days of UTC, both included
  to: string
  by: string[]
  currency: string
  rows: UsageRow[] // the dearest first, or by day
  total: UsageFigures
}

const path = (...parts: string[]) => [API, ...parts.map(encodeURIComponent)].join('/')

export const me = () => get<Account>(`${API}/me`)
export const changePassword = (old: string, fresh: string) =>
  post<unknown>(`${API}/me/password`, { old, new: fresh }, true)
export const logins = () => get<{ logins: Login[] }>(`${API}/logins`)
export const endLogin = (id: string) => remove<unknown>(path('logins', id))

export const tokens = () => get<{ tokens: Token[] }>(`${API}/tokens`)
export const addToken = (spec: TokenSpec) => post<NewToken>(`${API}/tokens`, spec)
export const revokeToken = (id: string) => remove<unknown>(path('tokens', id))

export const users = () => get<{ users: User[] }>(`${API}/users`)
export const changeUser = (name: string, change: { role?: Role; disabled?: boolean; password?: string }) =>
  patch<User>(path('users', name), change)
export const removeUser = (name: string) => remove<unknown>(path('users', name))
export const endLogins = (name: string) => remove<{ ended: number }>(path('users', name, 'logins'))

export const invitations = () => get<{ invitations: Invitation[] }>(`${API}/invitations`)
export const invite = (role: Role, name: string | null, hours: number) =>
  post<NewInvitation>(`${API}/invitations`, { role, name, hours })
export const revokeInvitation = (id: string) => remove<unknown>(path('invitations', id))

export const audit = (search: URLSearchParams) => get<AuditPage>(`${API}/audit?${search}`)
export const auditCsv = (search: URLSearchParams) => `${API}/audit.csv?${search}`

export const usage = (query: URLSearchParams) => get<UsageReport>(`${API}/usage?${query}`)
export const usageCsv = (query: URLSearchParams) => `${API}/usage?${query}&format=csv`
