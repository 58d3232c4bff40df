// The exceptions of a site, and which one is about somebody.

import { addressBytes, firstBits, formatAddress } from "#base/network.ts";
import { addressKeys, nameKeys } from "../databases.ts";
import { type Exception, type ExceptionKind, parseException } from "./line.ts";

/** What the judge asks of exceptions. */
export interface Exceptions {
  /** The exception about this client's address, name, HELO, sender or recipient; the narrowest, if there are several. */
  find(kind: ExceptionKind, subject: string): Promise<Exception | undefined>;
}

export const noExceptions: Exceptions = { find: async () => undefined };

export class ExceptionTable {
  /** By what each is about; a later line replaces an earlier one. */
  readonly #entries = new Map<string, Exception>();
  /** Prefix lengths of networks, the longest first. */
  readonly #lengths: readonly number[];

  constructor(exceptions: readonly Exception[]) {
    for (const each of exceptions) this.#entries.set(`${each.kind}:${each.value}`, each);
    const networks = exceptions.filter(({ kind }) => kind === "client");
    const lengths = networks.map(({ value }) => Number(value.split("/")[1] ?? Number.NaN));
    this.#lengths = [...new Set(lengths.filter((bits) => !Number.isNaN(bits)))].sort((a, b) => b - a);
  }

  /** The narrowest one about `subject` that counts at `now`. */
  find(kind: ExceptionKind, subject: string, now: number): Exception | undefined {
    if (this.#entries.size === 0) return undefined;
    for (const key of this.#keys(kind, subject)) {
      const found = this.#entries.get(`${kind}:${key}`);
      if (found && (found.until ?? Number.POSITIVE_INFINITY) > now) return found;
    }
    return undefined;
  }

  #keys(kind: ExceptionKind, subject: string): readonly string[] {
    switch (kind) {
      case "client":
        return this.#networks(subject);
      case "name":
      case "helo":
        return nameKeys(subject);
      case "from":
      case "to":
        return addressKeys(subject);
    }
  }

  #networks(address: string): readonly string[] {
    const bytes = addressBytes(address);
    if (!bytes) return [];
    const fitting = this.#lengths.filter((bits) => bits < 8 * bytes.length);
    const networks = fitting.map((bits) => `${formatAddress(firstBits(bytes, bits))}/${bits}`);
    return [formatAddress(bytes), ...networks];
  }
}

/** All exceptions of a text, and a sentence for each line that is none. */
export function parseExceptions(text: string): {
  readonly exceptions: readonly Exception[];
  readonly problems: readonly string[];
} {
  const exceptions: Exception[] = [];
  const problems: string[] = [];
  for (const [at, line] of text.split("\n").entries()) {
    const read = parseException(line);
    if (!read.ok) problems.push(`line ${at + 1}: ${read.error}`);
    else if (read.value) exceptions.push(read.value);
  }
  return { exceptions, problems };
}
