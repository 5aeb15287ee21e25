/** What a browser forgets when a user logs out, so that the next one finds nothing of it. */
import { address } from '../api/client'

const KEPT = ['easel.language', 'easel.theme']

/** Forget fields, prompts and running tasks that the page keeps in this browser. */
export function forgetFields() {
  for (const storage of [localStorage, sessionStorage])
    for (const key of Object.keys(storage))
      if (key.startsWith('easel.') && !KEPT.includes(key)) storage.removeItem(key)
}

/** Leave the page for the login; pictures in memory go with it. */
export function goToLogin() {
  forgetFields()
  window.location.assign(address('login'))
}
