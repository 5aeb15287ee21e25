/**
 * The service's own types of requests and answers, by path and method: `schema.d.ts` is made from
 * `/openapi.json` by `npm run types`.
 *
 * The schema marks answers' fields as optional and leaves some open, so the page keeps types of its
 * own; `contract.test-d.ts` compares them with these when types are checked.
 */
import type { paths } from './schema'

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete'
type Json<T> = T extends { content: { 'application/json': infer Body } } ? Body : never

export type RequestOf<Path extends keyof paths, M extends Method = 'post'> = paths[Path][M] extends {
  requestBody?: infer Body
}
  ? Json<NonNullable<Body>>
  : never

export type AnswerOf<Path extends keyof paths, M extends Method = 'post'> = paths[Path][M] extends {
  responses: { 200: infer Answer }
}
  ? Json<Answer>
  : never

/** The fields of `Ours` that `Theirs` lacks or has with another type; `never` where all agree. */
export type Mismatch<Ours, Theirs> = [Theirs] extends [never]
  ? 'no schema'
  : unknown extends Theirs
    ? never
    : Ours extends readonly (infer OurItem)[]
      ? Theirs extends readonly (infer TheirItem)[]
        ? Mismatch<OurItem, TheirItem>
        : 'no list'
      : Ours extends object
        ? Theirs extends object
          ? string extends keyof Theirs
            ? never
            : MismatchedFields<Ours, Theirs>
          : 'no object'
        : Ours extends Theirs
          ? never
          : Theirs extends Ours
            ? never
            : 'another type'

type MismatchedFields<Ours, Theirs> = {
  [Field in keyof Ours & string]-?: Field extends keyof Theirs
    ? [Mismatch<NonNullable<Ours[Field]>, NonNullable<Theirs[Field]>>] extends [never]
      ? never
      : Field
    : Field
}[keyof Ours & string]
