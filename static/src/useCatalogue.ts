/** Session, models, samplers, scripts and other lists of the service, refreshed by its events. */
import { computed, onScopeDispose, ref, shallowReactive, shallowRef } from 'vue'

import { ApiError } from './api/client'
import * as api from './api/sdapi'
import { windowEvents } from './api/windowEvents'
import { plugins, type Plugins } from './extensions/api'

const RETRY_MS = 3000
const FIRST_EVENT_MS = 1000

export type Catalogue = ReturnType<typeof useCatalogue>

/** ControlNet's preprocessors, types and number of units. */
export interface ControlCapabilities {
  units: number
  modules: api.ControlModules
  types: Record<string, api.ControlType>
}

/** Lists that a service may not have. */
function emptyLists() {
  return {
    vaes: [] as api.Vae[],
    kinds: [] as api.CheckpointKind[],
    upscalers: [] as string[],
    faceRestorers: [] as string[],
    latentModes: [] as string[],
    styles: [] as api.Style[],
    scripts: [] as api.ScriptInfo[],
    options: {} as api.Options,
    control: null as ControlCapabilities | null,
    plugins: { plugins: [], may_install: false, running: 0 } as Plugins,
  }
}

/** Loads everything once, then follows the models until the scope ends. */
export function useCatalogue() {
  const session = shallowRef<api.Session | null>(null)
  const checkpoints = shallowRef<api.Checkpoint[]>([])
  const samplers = shallowRef<api.NamedItem[]>([])
  const schedulers = shallowRef<api.Scheduler[]>([])
  const lists = shallowReactive(emptyLists())
  const unreachable = ref(false)
  const ready = computed(() => session.value !== null && samplers.value.length > 0)
  let unsubscribe = () => {}
  let timer = 0

  async function load() {
    window.clearTimeout(timer)
    try {
      const opened = subscribe()
      const named = await Promise.all([api.samplers(), api.schedulers(), opened])
      await refresh()
      ;[samplers.value, schedulers.value] = named
      unreachable.value = false
      void loadLists()
    } catch (error) {
      unreachable.value = (error as { status?: number }).status !== 401
      if (unreachable.value) timer = window.setTimeout(load, RETRY_MS)
    }
  }

  async function refresh() {
    const [newSession, files] = await Promise.all([api.session(), api.checkpoints()])
    session.value = newSession
    checkpoints.value = files
  }

  /** Load each list on its own, so that one failure does not affect the others. */
  async function loadLists() {
    await Promise.all([
      loadList('vaes', api.vaes()),
      loadList('kinds', api.checkpointKinds()),
      loadList('upscalers', listNames(api.upscalers())),
      loadList('faceRestorers', listNames(api.faceRestorers())),
      loadList('latentModes', listNames(api.latentModes())),
      loadList('styles', api.styles()),
      loadList('scripts', api.scripts()),
      loadList('options', api.options()),
      loadList('control', fetchControl()),
      loadList('plugins', plugins()),
    ])
  }

  async function loadList<K extends keyof typeof lists>(list: K, request: Promise<(typeof lists)[K]>) {
    try {
      lists[list] = await request
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      if (error.status === 404) lists[list] = emptyLists()[list]
    }
  }

  /**
   * Follow the models on the window's stream, which starts with the present revision, so a reconnection
   * catches up. Settled by the first event, since lists that are asked for after it miss nothing and need
   * not be asked for twice; by a refusal; and after a while, where something on the way holds events back.
   */
  function subscribe(): Promise<void> {
    return new Promise((settle) => {
      let first = true
      const patience = window.setTimeout(() => {
        first = false
        settle()
      }, FIRST_EVENT_MS)
      unsubscribe = windowEvents.followModels({
        onModels: () => {
          if (!first) void reload()
          first = false
          window.clearTimeout(patience)
          settle()
        },
        onRefused: () => {
          settle()
          timer = window.setTimeout(load, RETRY_MS)
        },
      })
    })
  }

  onScopeDispose(() => {
    window.clearTimeout(timer)
    unsubscribe()
  })
  const reload = () => refresh().then(loadLists, () => undefined)

  return { session, checkpoints, samplers, schedulers, lists, unreachable, ready, load, reload }
}

async function listNames(list: Promise<api.NamedItem[]>): Promise<string[]> {
  return (await list).map(({ name }) => name)
}

async function fetchControl(): Promise<ControlCapabilities> {
  const modules = await api.controlModules()
  const [{ control_types: types }, { control_net_unit_count: units }] = await Promise.all([
    api.controlTypes(),
    api.controlSettings(),
  ])
  return { units, modules, types }
}
