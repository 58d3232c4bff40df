// Changes: what all who change the directory share: transactions within each other, and who has which name.

import { type AccountAddress, extensionsOf, foldDomain, foldLocal } from "./address.ts";
import type { AccountRow, AliasRow, DomainRow, Tables } from "./tables.ts";

/** Names and extensions of accounts are parted by one of these. */
export const MARKS = "-+";

export class Changes {
  readonly tables: Tables;
  #depth = 0;

  /** A change that is made when nothing is wrong with it. */
  changing(change: () => string | undefined): string | undefined {
    return this.inside(change, (problem) => problem === undefined);
  }

  /** Runs a change of many parts: all of it is made, or nothing when `keep` says no or it throws. */
  inside<T>(change: () => T, keep: (result: T) => boolean = () => true): T {
    // within a larger change that one decides
    if (this.#depth > 0) return change();
    let result: T | undefined;
    const undone = new Error("undone");
    this.#depth++;
    try {
      return this.tables.together(() => {
        result = change();
        if (!keep(result)) throw undone;
        return result;
      });
    } catch (thrown) {
      if (thrown === undone) return result as T;
      throw thrown;
    } finally {
      this.#depth--;
    }
  }

  constructor(tables: Tables) {
    this.tables = tables;
  }

  domain(name: string): DomainRow | undefined {
    return this.tables.one<DomainRow>("domain", name);
  }

  account(address: string): AccountRow | undefined {
    const at = address.lastIndexOf("@");
    return this.tables.one<AccountRow>("account", address.slice(at + 1), address.slice(0, at));
  }

  aliasRow(address: string): AliasRow | undefined {
    const at = address.lastIndexOf("@");
    return this.tables.one<AliasRow>("alias", address.slice(at + 1), address.slice(0, at));
  }

  /** An address of ours in the words in which it is kept; others as they are. */
  canonical(address: string): string {
    const at = address.lastIndexOf("@");
    const row = this.domain(foldDomain(address.slice(at + 1)));
    return row ? `${foldLocal(address.slice(0, at))}@${row.alias_of ?? row.name}` : address;
  }

  isSame(one: string, other: string): boolean {
    return this.canonical(one) === this.canonical(other);
  }

  /** There is an account, alias or group of this name. */
  named({ local, domain }: Pick<AccountAddress, "local" | "domain">): boolean {
    return (
      this.tables.one("account", domain, local) !== undefined ||
      this.tables.one("alias", domain, local) !== undefined
    );
  }

  /** The name is in use; that of an extension with a mailbox or a password too, for it would be reached no more. */
  taken(address: Pick<AccountAddress, "local" | "domain">): boolean {
    if (this.named(address)) return true;
    for (const { name, ext } of extensionsOf(address.local, MARKS)) {
      const owner = this.tables.one<AccountRow>("account", address.domain, name);
      if (owner && this.tables.one("extension", owner.id, ext)) return true;
    }
    return false;
  }
}

export const foreign = (domain: string): string =>
  `"${domain}" is not one of our domains; add it with: kenro domain add ${domain}`;
