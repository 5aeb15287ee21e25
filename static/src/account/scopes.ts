/** What an API token of each role may be for. */
import { SCOPES, type Role, type Scope } from './api'

const OF_ROLE: Record<Role, readonly Scope[]> = {
  viewer: ['read'],
  member: ['read', 'generate', 'user'],
  admin: SCOPES,
}

export const scopesOf = (role: Role | null): readonly Scope[] => (role ? OF_ROLE[role] : [])
