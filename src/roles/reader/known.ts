// What a reader remembers of messages it has opened, so that it need not open them again; bounded in bytes for the whole process.

import type { Message } from "#store/maildir/folder.ts";
import type { Part } from "#wire/message/mime.ts";

/** Values of messages up to a sum of costs; the longest unused go first. */
export class Bounded<V> {
  readonly #most: number;
  readonly #cost: (value: V) => number;
  readonly #values = new Map<Message, V>();
  #sum = 0;

  constructor(most: number, cost: (value: V) => number) {
    this.#most = most;
    this.#cost = cost;
  }

  get(message: Message): V | undefined {
    const value = this.#values.get(message);
    if (value !== undefined) {
      this.#values.delete(message);
      this.#values.set(message, value);
    }
    return value;
  }

  set(message: Message, value: V): void {
    const old = this.#values.get(message);
    if (old !== undefined) this.#sum -= this.#cost(old);
    this.#values.delete(message);
    this.#values.set(message, value);
    this.#sum += this.#cost(value);
    for (const [first, gone] of this.#values) {
      if (this.#sum <= this.#most) break;
      this.#values.delete(first);
      this.#sum -= this.#cost(gone);
    }
  }
}

/** What a Message object and its place in the map take beside the value. */
const ENTRY = 400;

const sizeOf = (part: Part): number =>
  ENTRY +
  part.fields.reduce((sum, { name, value }) => sum + name.length + value.length + 100, 0) +
  part.parts.reduce((sum, each) => sum + sizeOf(each), 0) +
  (part.message ? sizeOf(part.message) : 0);

export interface Known {
  /** ENVELOPE as it is sent. */
  readonly envelopes: Bounded<string>;
  readonly trees: Bounded<Part>;
}

const MiB = 1024 * 1024;

export const newKnown = (): Known => ({
  envelopes: new Bounded(12 * MiB, (text) => ENTRY + text.length),
  trees: new Bounded(8 * MiB, sizeOf),
});
