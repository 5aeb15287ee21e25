/** Tells of finished pictures: a notification while the page is out of sight, and a sound. Both are off at first. */
import { useStorage } from '@vueuse/core'
import { watch, type Ref } from 'vue'

import { playChime } from './chime'

export const notifyWhenDone = useStorage('easel.notify', false)
export const soundWhenDone = useStorage('easel.sound', false)
export const soundVolume = useStorage('easel.volume', 60) // 0 to 100

interface Work {
  running: Ref<boolean>
  stopping: Ref<boolean>
  picture: Ref<{ key: number; prompt: string } | null>
}

/** Ask the browser whether it may notify; only called by an act of the user. True if it may. */
export async function askPermission(): Promise<boolean> {
  if (!('Notification' in window)) return false
  return (await Notification.requestPermission()) === 'granted'
}

/** Tell the end of each request of a section that brought a picture. `say`: the words for it. */
export function useDoneSignal({ running, stopping, picture }: Work, say: () => string) {
  let before = picture.value?.key
  watch(running, (on) => {
    if (on) before = picture.value?.key
    else if (!stopping.value && picture.value && picture.value.key !== before)
      tell(say(), picture.value.prompt)
  })
}

function tell(title: string, body: string) {
  if (soundWhenDone.value) playChime(soundVolume.value / 100)
  const mayNotify = 'Notification' in window && Notification.permission === 'granted'
  if (!notifyWhenDone.value || !mayNotify || document.hasFocus()) return
  const note = new Notification(title, { body: body.slice(0, 200), tag: 'easel' })
  note.onclick = () => {
    window.focus()
    note.close()
  }
}
