// Addresses of users of the machine: which domains are theirs, and by which name lspawn knows them (docs/dotqmail.md).

import { splitAddress } from "#wire/envelope.ts";
import { foldDomain, unquoteLocal } from "./address.ts";

export interface SystemDomain {
  readonly domain: string;
  /** Stands in front of local parts, with a hyphen; "": nothing does. */
  readonly prepend: string;
}

/** What lspawn knows an address by. */
export interface SystemAddress {
  readonly local: string;
  readonly host: string;
}

export class SystemDomains {
  readonly #prepends: ReadonlyMap<string, string>;

  constructor(all: readonly SystemDomain[]) {
    this.#prepends = new Map(all.map(({ domain, prepend }) => [foldDomain(domain), prepend]));
  }

  has(domain: string): boolean {
    return this.#prepends.has(foldDomain(domain));
  }

  /** Undefined: it is in no domain of theirs. */
  addressOf(address: string): SystemAddress | undefined {
    const { local, domain } = splitAddress(address);
    const host = foldDomain(domain);
    const prepend = this.#prepends.get(host);
    if (prepend === undefined) return undefined;
    const name = unquoteLocal(local);
    return { local: prepend === "" ? name : `${prepend}-${name}`, host };
  }
}
