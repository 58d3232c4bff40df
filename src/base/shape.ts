// Shapes: the small decoders for values that come from another process (`unknown` → Result). The big schema library stays in
// config/, because it would cost every role 8 MB of memory (docs/decisions/0003).

import { err, ok, type Result } from "./result.ts";

/** Reads a value or throws a Misfit; only `read` and `readJson` are called from outside. */
export type Shape<T> = (value: unknown, where: string) => T;

export type Shaped<S> = S extends Shape<infer T> ? T : never;

class Misfit extends Error {}

const misfit = (where: string, wanted: string): never => {
  throw new Misfit(`"${where}" is not ${wanted}`);
};

/** The value in the wanted shape, or one sentence that says which part is wrong. */
export function read<T>(shape: Shape<T>, value: unknown): Result<T> {
  try {
    return ok(shape(value, "value"));
  } catch (thrown) {
    if (thrown instanceof Misfit) return err(thrown.message);
    throw thrown;
  }
}

/** As `read`, from JSON bytes. */
export function readJson<T>(shape: Shape<T>, bytes: Buffer): Result<T> {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch {
    // whatever the parser says, the peer sent no JSON
    return err("not JSON");
  }
  return read(shape, value);
}

export const text =
  (max = 1 << 20): Shape<string> =>
  (value, where) =>
    typeof value === "string" && value.length <= max
      ? value
      : misfit(where, `text of at most ${max} characters`);

export const integer =
  (min = 0, max = Number.MAX_SAFE_INTEGER): Shape<number> =>
  (value, where) =>
    typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max
      ? value
      : misfit(where, `a whole number from ${min} to ${max}`);

export const flag: Shape<boolean> = (value, where) =>
  typeof value === "boolean" ? value : misfit(where, "true or false");

export const oneOf =
  <const T extends readonly string[]>(...names: T): Shape<T[number]> =>
  (value, where) =>
    typeof value === "string" && names.includes(value) ? value : misfit(where, `one of ${names.join(", ")}`);

export const list =
  <T>(item: Shape<T>, max = 100_000): Shape<readonly T[]> =>
  (value, where) =>
    Array.isArray(value) && value.length <= max
      ? value.map((each, at) => item(each, `${where}[${at}]`))
      : misfit(where, `a list of at most ${max}`);

/** A field of a `record` that may be missing. */
export const optional =
  <T>(shape: Shape<T>): Shape<T | undefined> =>
  (value, where) =>
    value === undefined ? undefined : shape(value, where);

type Fields<T> = { readonly [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  readonly [K in keyof T as undefined extends T[K] ? K : never]?: T[K];
};

/** An object with these fields; fields it does not name are left out. */
export const record =
  <T extends Record<string, unknown>>(
    fields: { readonly [K in keyof T]: Shape<T[K]> },
  ): Shape<{ readonly [K in keyof Fields<T>]: Fields<T>[K] }> =>
  (value, where) => {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      return misfit(where, "an object");
    const source = value as Record<string, unknown>;
    const result: Record<string, unknown> = {};
    for (const name in fields) {
      const field = fields[name](source[name], `${where}.${name}`);
      if (field !== undefined) result[name] = field;
    }
    return result as { readonly [K in keyof Fields<T>]: Fields<T>[K] };
  };

/** One of several records told apart by their field `kind`. */
export const union =
  <T>(shapes: { readonly [kind: string]: Shape<T> }): Shape<T> =>
  (value, where) => {
    const kind = typeof value === "object" && value !== null && "kind" in value ? String(value.kind) : "";
    const shape = Object.hasOwn(shapes, kind) ? shapes[kind] : undefined;
    return shape ? shape(value, where) : misfit(`${where}.kind`, `one of ${Object.keys(shapes).join(", ")}`);
  };

/** Whatever JSON brings; the owner of the conversation reads it further. */
export const anything: Shape<unknown> = (value) => value;

/** Exactly this word; the tag field of a union member. */
export const word =
  <const T extends string>(wanted: T): Shape<T> =>
  (value, where) =>
    value === wanted ? wanted : misfit(where, `"${wanted}"`);
