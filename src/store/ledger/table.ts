// Table: a part of the ledger's memory. Bounded: what is full forgets the entry that was not used for longest. It knows which entries
// have changed since they were written.

import { hash } from "node:crypto";
import { limits } from "#base/limits.ts";
import type { Shape } from "#base/shape.ts";

export interface TableOptions<V> {
  /** In the file; never "". */
  readonly name: string;
  /** Entries at most. */
  readonly most: number;
  readonly shape: Shape<V>;
  /** Whether nothing of it counts any more at `now`. */
  ended(value: V, now: number): boolean;
}

/** The key under which a text is kept: itself, or its hash when it is long. */
export const keyOf = (text: string): string =>
  text.length <= limits.ledger.key ? text : `#${hash("sha256", text, "base64url")}`;

export class Table<V> {
  readonly options: TableOptions<V>;
  /** Told at every change. */
  changed: () => void = () => {};
  readonly #entries = new Map<string, V>();
  readonly #dirty = new Set<string>();

  constructor(options: TableOptions<V>) {
    this.options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The value, unless it has ended by `now`; it counts as used. */
  get(text: string, now: number): V | undefined {
    const key = keyOf(text);
    const value = this.#entries.get(key);
    if (value === undefined) return undefined;
    this.#entries.delete(key);
    if (this.options.ended(value, now)) return undefined;
    this.#entries.set(key, value);
    return value;
  }

  put(text: string, value: V): void {
    const key = keyOf(text);
    this.#place(key, value);
    this.#dirty.add(key);
    this.changed();
  }

  /** Whether there was something to remove. */
  remove(text: string): boolean {
    const key = keyOf(text);
    if (!this.#entries.delete(key)) return false;
    this.#dirty.add(key);
    this.changed();
    return true;
  }

  /** All entries, the least used first. */
  all(): IterableIterator<[string, V]> {
    return this.#entries.entries();
  }

  // ---- for the file ----

  /** What a file said; undefined: it was removed. */
  restore(key: string, value: V | undefined): void {
    if (value === undefined) this.#entries.delete(key);
    else this.#place(key, value);
  }

  /** Some keys that have changed since they were taken the last time, and their values; undefined: removed. */
  takeChanged(most: number): (readonly [string, V | undefined])[] {
    const changed: (readonly [string, V | undefined])[] = [];
    for (const key of this.#dirty) {
      if (changed.length >= most) break;
      this.#dirty.delete(key);
      changed.push([key, this.#entries.get(key)]);
    }
    return changed;
  }

  /** All that there is will be written. */
  forgetChanged(): void {
    this.#dirty.clear();
  }

  /** They could not be written. */
  giveBack(keys: Iterable<string>): void {
    for (const key of keys) this.#dirty.add(key);
  }

  get dirty(): number {
    return this.#dirty.size;
  }

  /** The entries of these keys that are still there and have not ended. */
  living(keys: readonly string[], now: number): (readonly [string, V])[] {
    return keys.flatMap((key) => {
      const value = this.#entries.get(key);
      return value === undefined || this.options.ended(value, now) ? [] : [[key, value] as const];
    });
  }

  keys(): readonly string[] {
    return [...this.#entries.keys()];
  }

  #place(key: string, value: V): void {
    this.#entries.delete(key);
    if (this.#entries.size >= this.options.most) {
      // no record says so: who reads the file again forgets by the same bound
      const [oldest = ""] = this.#entries.keys();
      this.#entries.delete(oldest);
      this.#dirty.delete(oldest);
    }
    this.#entries.set(key, value);
  }
}

/** A table whatever its values are, as the file sees it. */
export type AnyTable = Table<unknown>;
