/** Fields of a part that has a switch: whoever sets one means to use the part. */

/** The same fields; setting one to another value turns the part on. */
export function turnOnByUse<T extends { on: boolean }>(fields: T): T {
  return new Proxy(fields, {
    get: (target, key) => Reflect.get(target, key),
    set(target, key, value) {
      if (key !== 'on' && Reflect.get(target, key) !== value) target.on = true
      return Reflect.set(target, key, value)
    },
  })
}
