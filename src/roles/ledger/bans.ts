// Bans: clients that may not come for a time: addresses, and networks of any size.

import { addressBytes, firstBits, formatAddress, parseNetwork } from "#base/network.ts";
import { err, ok, type Result } from "#base/result.ts";
import type { Table } from "#store/ledger/table.ts";
import type { Ban } from "#talk/recall.ts";
import type { Banned } from "./tables.ts";

/** Who bans on its own. */
export const LEDGER = "ledger";

const keyOf = (bytes: Buffer, bits: number): string =>
  bits === 8 * bytes.length ? formatAddress(bytes) : `${formatAddress(firstBits(bytes, bits))}/${bits}`;

/** An address or network in the form under which its ban is kept; a sentence's end on what is wrong with it. */
export function banKey(client: string): Result<string> {
  const range = parseNetwork(client);
  if (!range.ok) return err(range.error);
  if (range.value.bits === 0) return err("expected less than the whole Internet");
  return ok(keyOf(range.value.bytes, range.value.bits));
}

export class Bans {
  readonly #table: Table<Banned>;
  /** Sizes of networks that are banned, or were: one look for each. */
  readonly #sizes = { 4: new Set([32]), 16: new Set([128]) };

  constructor(table: Table<Banned>) {
    this.#table = table;
    for (const [key] of table.all()) this.#learn(key);
  }

  /** The ban of an address, its own or that of a network it is in. */
  of(address: string, now: number): Banned | undefined {
    if (this.#table.size === 0) return undefined;
    const bytes = addressBytes(address);
    if (!bytes) return undefined;
    for (const bits of this.#sizes[bytes.length as 4 | 16]) {
      const found = this.#table.get(keyOf(bytes, bits), now);
      if (found) return found;
    }
    return undefined;
  }

  /** Adds or changes a ban. False: an administrator's longer ban, or one for each entry that there may be, is not pushed out. */
  add(key: string, ban: Banned, now: number): boolean {
    if (ban.author === LEDGER) {
      const before = this.#table.get(key, now);
      if (before && (before.author !== LEDGER || before.until >= ban.until)) return false;
      if (!before && !this.#makeRoom(now)) return false;
    }
    this.#table.put(key, ban);
    this.#learn(key);
    return true;
  }

  /** Whether there was one. */
  remove(key: string): boolean {
    return this.#table.remove(key);
  }

  /** Some bans by key, from behind `after`. */
  page(after: string, most: number, now: number): readonly Ban[] {
    const later = [...this.#table.all()].filter(([key, { until }]) => until > now && key > after);
    later.sort(([a], [b]) => (a < b ? -1 : 1));
    return later.slice(0, most).map(([client, ban]) => ({ client, ...ban }));
  }

  /** Full of what people wrote, the table takes nothing of the ledger's own. */
  #makeRoom(now: number): boolean {
    if (this.#table.size < this.#table.options.most) return true;
    for (const [key, { author, until }] of this.#table.all()) {
      if (author !== LEDGER && until > now) continue;
      this.#table.remove(key);
      return true;
    }
    return false;
  }

  #learn(key: string): void {
    const range = parseNetwork(key);
    if (range.ok) this.#sizes[range.value.bytes.length as 4 | 16].add(range.value.bits);
  }
}
