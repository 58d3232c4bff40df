// Lists: aliases and groups, addresses that stand for others (docs/directory.md).

import { limits } from "#base/limits.ts";
import type { AccountAddress } from "./address.ts";
import { type Changes, foreign } from "./changes.ts";
import { targetsOf } from "./resolve.ts";
import type { AliasRow, Tables } from "./tables.ts";

export interface Alias {
  readonly address: string;
  readonly to: readonly string[];
  /** Of a group. */
  readonly owner: string | undefined;
  /** Bounces tell whose address they are about. */
  readonly verp: boolean;
}

export class Lists {
  readonly #changes: Changes;
  readonly #tables: Tables;

  constructor(changes: Changes) {
    this.#changes = changes;
    this.#tables = changes.tables;
  }

  /** Groups have an owner. In the order of the domains and names; all domains when none is given. */
  all(domain?: string): readonly Alias[] {
    const found =
      domain === undefined
        ? this.#tables.all<AliasRow>("aliases")
        : this.#tables.all<AliasRow>("aliasesOf", domain);
    return found.map((row) => this.#aliasOf(row));
  }

  find(address: string): Alias | undefined {
    const row = this.#changes.aliasRow(address);
    return row && this.#aliasOf(row);
  }

  add(address: AccountAddress, { to, owner, verp }: Omit<Alias, "address">, now: number): string | undefined {
    return this.#changes.changing(() => {
      const place = this.#changes.domain(address.domain);
      if (!place) return foreign(address.domain);
      if (place.alias_of !== null)
        return `${address.domain} is another name for ${place.alias_of}; add it there`;
      if (this.#changes.taken(address))
        return `${address.address} is there already, as an account, an alias, a group or an extension`;
      this.#tables.run(
        "addAlias",
        address.local,
        address.domain,
        address.address,
        owner ?? null,
        verp ? 1 : 0,
        now,
      );
      return this.#retarget(address.address, to, []);
    });
  }

  set(address: string, change: Partial<Pick<Alias, "owner" | "verp">>): string | undefined {
    return this.#changes.changing(() => {
      const before = this.find(address);
      if (!before) return unknownAlias(address);
      const { owner, verp } = { ...before, ...change };
      this.#tables.run("setAlias", owner ?? null, verp ? 1 : 0, address);
      return this.#loopProblem(address);
    });
  }

  /** Adds and removes targets or members. */
  retarget(address: string, add: readonly string[], remove: readonly string[]): string | undefined {
    return this.#changes.changing(() => this.#retarget(address, add, remove));
  }

  #retarget(address: string, add: readonly string[], remove: readonly string[]): string | undefined {
    const row = this.#changes.aliasRow(address);
    if (!row) return unknownAlias(address);
    for (const each of remove)
      if (this.#tables.run("deleteTarget", row.id, this.#changes.canonical(each)) === 0)
        return `${each} is not in ${address}`;
    for (const each of add) this.#tables.run("addTarget", row.id, this.#changes.canonical(each));
    const targets = targetsOf(this.#tables, row);
    if (
      targets.length > limits.forward.recipients ||
      Buffer.byteLength(targets.join()) > limits.forward.addresses
    )
      return `${address} would have more addresses than one message can go to: ${limits.forward.recipients}`;
    // an empty group is one that is being made
    if (targets.length === 0 && row.owner === null) return `${address} would go to nobody; delete it instead`;
    return this.#loopProblem(address);
  }

  delete(address: string): boolean {
    return this.#tables.run("deleteAlias", address) === 1;
  }

  /** An alias that leads back to itself through others, in a sentence. Groups, forwards and other servers are left to Delivered-To (docs/local.md). */
  #loopProblem(address: string): string | undefined {
    const walk = (at: string, way: readonly string[]): string | undefined => {
      const here = this.#changes.aliasRow(this.#changes.canonical(at));
      if (!here || here.owner !== null) return undefined;
      if (way.includes(here.address))
        return `It would go round for ever: ${[...way, here.address].join(" → ")}`;
      for (const target of targetsOf(this.#tables, here)) {
        const found = walk(target, [...way, here.address]);
        if (found !== undefined) return found;
      }
      return undefined;
    };
    return walk(address, []);
  }

  #aliasOf(row: AliasRow): Alias {
    return {
      address: row.address,
      to: targetsOf(this.#tables, row),
      owner: row.owner ?? undefined,
      verp: row.verp !== 0,
    };
  }
}

const unknownAlias = (address: string): string =>
  `There is no alias or group ${address}; see: kenro alias list, kenro group list`;
