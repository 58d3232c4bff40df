// Addresses of users of the machine: which domains are theirs, and what lspawn is asked about them (docs/dotqmail.md).

import { foldDomain, unquoteLocal } from "#store/accounts/address.ts";
import type { Existence } from "#talk/lspawn.ts";
import { splitAddress } from "#wire/envelope.ts";

export interface SystemDomain {
  readonly domain: string;
  readonly prepend: string;
}

/** What lspawn knows an address by. */
export interface SystemAddress {
  readonly local: string;
  readonly host: string;
}

export class SystemUsers {
  readonly #ask: (local: string) => Promise<Existence>;
  #prepends = new Map<string, string>();

  /** @param ask whether there is a user for a local part; Trouble when nobody knows now */
  constructor(ask: (local: string) => Promise<Existence>) {
    this.#ask = ask;
  }

  set domains(all: readonly SystemDomain[]) {
    this.#prepends = new Map(all.map(({ domain, prepend }) => [foldDomain(domain), prepend]));
  }

  isLocal(domain: string): boolean {
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

  exists({ local }: SystemAddress): Promise<Existence> {
    return this.#ask(local);
  }
}
