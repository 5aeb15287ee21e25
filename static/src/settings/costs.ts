/** What a picture took: seconds, and memory at its end. */
import { get } from '../api/client'

interface CudaMemory {
  system: { used: number; total: number } // bytes
  active: { peak: number }
  reserved: { peak: number }
}
export interface MemoryFacts {
  ram: { used: number; total: number } // bytes: of the service, of the machine
  cuda: CudaMemory | { error: string }
}
export interface DeviceFacts {
  name: string
}

export const memory = () => get<MemoryFacts>('sdapi/v1/memory')
export const devices = () => get<DeviceFacts[]>('sdapi/v1/gpu')

const GIB = 1024 ** 3

export const gigabytes = (bytes: number): string => `${(bytes / GIB).toFixed(1)} GB`

/** Seconds as AUTOMATIC1111 says them: `3.2 s`, `1 min 5.0 s`. */
export function formatSeconds(seconds: number): string {
  const minutes = Math.floor(seconds / 60)
  const rest = `${(seconds - 60 * minutes).toFixed(1)} s`
  return minutes > 0 ? `${minutes} min ${rest}` : rest
}

/** `A: active at most, R: reserved at most, Sys: used of the device`; without one, of the machine. */
export function memoryLine({ ram, cuda }: MemoryFacts): string {
  if ('error' in cuda) return `RAM: ${gigabytes(ram.used)} / ${gigabytes(ram.total)}`
  const { used, total } = cuda.system
  const share = total > 0 ? ` (${((100 * used) / total).toFixed(1)}%)` : ''
  return [
    `A: ${gigabytes(cuda.active.peak)}`,
    `R: ${gigabytes(cuda.reserved.peak)}`,
    `Sys: ${gigabytes(used)} / ${gigabytes(total)}${share}`,
  ].join(', ')
}
