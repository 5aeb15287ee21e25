/** Passwords that the page makes up. */

const LETTERS = 'abcdefghijkmnpqrstuvwxyz23456789' // 32, none that looks like another
const GROUPS = 5
const GROUP_LENGTH = 4

/** 100 random bits, as "k3vd-7hqm-…". */
export function makePassword(random = (bytes: Uint8Array) => crypto.getRandomValues(bytes)): string {
  const bytes = random(new Uint8Array(GROUPS * GROUP_LENGTH))
  const letters = [...bytes].map((byte) => LETTERS[byte % LETTERS.length])
  return Array.from({ length: GROUPS }, (_, at) =>
    letters.slice(at * GROUP_LENGTH, (at + 1) * GROUP_LENGTH).join(''),
  ).join('-')
}
