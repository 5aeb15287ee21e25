/** Which sections draw, and what a phone shows of them. */
import { ref, watch, type InjectionKey, type Ref } from 'vue'

import type { Session } from '../api/sdapi'
import { currentTab } from '../navigation'

export type PhoneView = 'create' | 'gallery'

const DRAWING = ['txt2img', 'img2img', 'extras']
const READERS = ['owner', 'user', 'read'] // scopes that see files

/** Whether a section has the gallery beside it. */
export const isDrawing = (tab: string) => DRAWING.includes(tab)

/** Whether there are files, and the caller may look at them. */
export const offersGallery = (session: Session | null) =>
  session !== null && session.filebrowser && READERS.includes(session.scope ?? 'owner')

export const phoneView = ref<PhoneView>('create')

/** The section that was drawn in last. */
export const lastDrawing = ref('txt2img')
watch(currentTab, (tab) => isDrawing(tab) && (lastDrawing.value = tab), { immediate: true })

/** A phone goes back to the form when something is sent to it. */
watch(currentTab, () => (phoneView.value = 'create'), { flush: 'sync' })

/** Whether the gallery is beside a section. */
export const HAS_GALLERY: InjectionKey<Ref<boolean>> = Symbol('gallery')
