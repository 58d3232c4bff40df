// The directory: domains, accounts, aliases and groups, asked by auth for every recipient and login, changed by the command line (docs/directory.md).
// A change that cannot be made says why in a sentence, and nothing is changed.

import { limits } from "#base/limits.ts";
import { type AccountAddress, extensionsOf, foldDomain } from "./address.ts";
import { Changes, foreign, MARKS } from "./changes.ts";
import { Lists } from "./lists.ts";
import { type Account, accountOf, type Found, type LoginAccount, Resolver } from "./resolve.ts";
import {
  type AccountRow,
  type AliasRow,
  type DomainRow,
  type ExtensionRow,
  type InstructionsRow,
  Tables,
} from "./tables.ts";

export type { Account, Found, Instructions, LoginAccount, Quota, Reached } from "./resolve.ts";

export interface Domain {
  readonly name: string;
  readonly accounts: number;
  readonly created: number;
  /** Another name for this domain. */
  readonly aliasOf?: string;
  /** Gets mail for whom there is not. */
  readonly catchAll?: string;
  /** Bytes and messages that each account may have that has no quota of its own; 0: as many as there is room for. */
  readonly quota?: number;
  readonly messages?: number;
  readonly maxAccounts?: number;
  /** What all accounts together may have. */
  readonly totalQuota?: number;
  readonly totalMessages?: number;
}

export interface DomainSettings {
  readonly aliasOf: string | undefined;
  readonly catchAll: string | undefined;
  readonly quota: number | undefined;
  readonly messages: number | undefined;
  readonly maxAccounts: number | undefined;
  readonly totalQuota: number | undefined;
  readonly totalMessages: number | undefined;
}

export interface AccountSettings {
  readonly suspended: boolean;
  /** Bytes and messages; undefined: as its domain has it; 0: as many as there is room for, whatever the domain has. */
  readonly quota: number | undefined;
  readonly messages: number | undefined;
  readonly forwards: readonly string[];
  readonly keep: boolean;
}

export interface Extension {
  readonly ext: string;
  /** Its mail lies in a mailbox of its own. */
  readonly mailbox: boolean;
  /** See credentials.ts; undefined: it has none. */
  readonly password: string | undefined;
}

export class Directory implements Disposable {
  readonly #tables: Tables;
  readonly #resolver: Resolver;
  readonly #changes: Changes;
  /** Aliases and groups. */
  readonly lists: Lists;
  /** Characters that part an account's name from an extension in addresses. */
  marks = MARKS;

  /** Opens (or makes) the directory; Trouble when it cannot be. */
  constructor(file?: string) {
    this.#tables = new Tables(file);
    this.#resolver = new Resolver(this.#tables, () => this.marks);
    this.#changes = new Changes(this.#tables);
    this.lists = new Lists(this.#changes);
  }

  /** Who gets mail for an address; its local part and domain in any case. */
  find(address: string): Found {
    return this.#resolver.find(address);
  }

  /** The account somebody logs in as, or an extension of one that has a password. */
  login(user: string): LoginAccount | undefined {
    return this.#resolver.login(user);
  }

  isLocal(domain: string): boolean {
    return this.#changes.domain(foldDomain(domain)) !== undefined;
  }

  /** Addresses that an account may send as: its own, in each of its domain's names; those of its extensions; and aliases for nobody else. */
  sendersOf(account: string): readonly string[] {
    const row = this.#changes.account(account);
    if (!row) return [];
    const names = [
      row.domain,
      ...this.#tables.all<{ readonly name: string }>("domainsLike", row.domain).map(({ name }) => name),
    ];
    const own = this.extensions(account).flatMap(({ ext }) =>
      [...this.marks].map((mark) => `${row.local}${mark}${ext}`),
    );
    const addresses = [row.local, ...own].flatMap((local) => names.map((name) => `${local}@${name}`));
    const aliases = names.flatMap((name) =>
      this.#tables.all<AliasRow>("aliasesTo", `${row.local}@${name}`).map(({ address }) => address),
    );
    return [...new Set([...addresses, ...aliases])].slice(0, limits.directory.senders);
  }

  // ---- domains ----

  domains(): readonly Domain[] {
    return this.#tables.all<DomainRow>("domains").map((row) => ({
      name: row.name,
      accounts: this.#tables.all("accountsOf", row.name).length,
      created: row.created,
      ...(row.alias_of === null ? {} : { aliasOf: row.alias_of }),
      ...(row.catch_all === null ? {} : { catchAll: row.catch_all }),
      ...(row.quota_bytes === null ? {} : { quota: row.quota_bytes }),
      ...(row.quota_messages === null ? {} : { messages: row.quota_messages }),
      ...(row.max_accounts === null ? {} : { maxAccounts: row.max_accounts }),
      ...(row.total_bytes === null ? {} : { totalQuota: row.total_bytes }),
      ...(row.total_messages === null ? {} : { totalMessages: row.total_messages }),
    }));
  }

  /** False when there is one of this name. */
  addDomain(name: string, now: number): boolean {
    return this.#tables.run("addDomain", name, now) === 1;
  }

  setDomain(name: string, change: Partial<DomainSettings>): string | undefined {
    return this.#changes.changing(() => {
      const row = this.#changes.domain(name);
      if (!row) return foreign(name);
      const before: DomainSettings = {
        aliasOf: row.alias_of ?? undefined,
        catchAll: row.catch_all ?? undefined,
        ...quotaIn(row),
        maxAccounts: row.max_accounts ?? undefined,
        totalQuota: row.total_bytes ?? undefined,
        totalMessages: row.total_messages ?? undefined,
      };
      const after = { ...before, ...change };
      const { aliasOf, catchAll } = after;
      const problem = aliasOf === undefined ? undefined : this.#aliasProblem(name, aliasOf);
      if (problem !== undefined) return problem;
      const { quota, messages, maxAccounts, totalQuota, totalMessages } = after;
      const values = [aliasOf, catchAll, quota, messages, maxAccounts, totalQuota, totalMessages];
      this.#tables.run("setDomain", ...values.map((value) => value ?? null), name);
      if (catchAll !== undefined && ["unknown", "looping"].includes(this.find(catchAll).kind))
        return `There is no ${catchAll} to catch mail for ${name}`;
      return undefined;
    });
  }

  /** A name for another domain has nothing of its own, and that domain is no such name itself. */
  #aliasProblem(name: string, of: string): string | undefined {
    const other = this.#changes.domain(of);
    if (!other) return foreign(of);
    if (other.alias_of !== null || of === name)
      return `${of} is another name itself, for ${other.alias_of ?? of}`;
    const used =
      this.accounts(name).length + this.lists.all(name).length + this.#tables.all("domainsLike", name).length;
    return used === 0 ? undefined : `${name} has accounts, aliases or other names of its own`;
  }

  /** "used": it has accounts, aliases or other names. */
  deleteDomain(name: string): "deleted" | "unknown" | "used" {
    return this.#changes.inside(() => {
      if (!this.#changes.domain(name)) return "unknown";
      const used =
        this.accounts(name).length +
        this.lists.all(name).length +
        this.#tables.all("domainsLike", name).length;
      if (used > 0) return "used";
      this.#tables.run("deleteDomain", name);
      return "deleted";
    });
  }

  // ---- accounts ----

  /** In the order of the domains and names; all domains when none is given. */
  accounts(domain?: string): readonly Account[] {
    const found =
      domain === undefined
        ? this.#tables.all<AccountRow>("accounts")
        : this.#tables.all<AccountRow>("accountsOf", domain);
    return found.map(accountOf);
  }

  /** "elsewhere": the domain is not ours, or another name for one; "full": it has as many accounts as it may. */
  addAccount(
    { address, local, domain }: AccountAddress,
    password: string,
    now: number,
  ): "added" | "exists" | "elsewhere" | "full" {
    return this.#changes.inside(() => {
      const place = this.#changes.domain(domain);
      if (!place || place.alias_of !== null) return "elsewhere";
      if (this.#changes.taken({ local, domain })) return "exists";
      if (place.max_accounts !== null && this.accounts(domain).length >= place.max_accounts) return "full";
      return this.#tables.run("addAccount", local, domain, address, password, now) === 1 ? "added" : "exists";
    });
  }

  /** False when there is no such account. */
  setPassword(address: string, password: string): boolean {
    return this.#tables.run("setPassword", password, address) === 1;
  }

  settingsOf(address: string): AccountSettings | undefined {
    const row = this.#changes.account(address);
    return (
      row && {
        suspended: row.suspended !== 0,
        ...quotaIn(row),
        forwards: JSON.parse(row.forwards) as string[],
        keep: row.keep !== 0,
      }
    );
  }

  setAccount(address: string, change: Partial<AccountSettings>): string | undefined {
    return this.#changes.changing(() => {
      const before = this.settingsOf(address);
      if (!before) return missing(address);
      const { suspended, quota, messages, forwards, keep } = { ...before, ...change };
      if (forwards.length > limits.directory.forwards)
        return `${address} cannot forward to more than ${limits.directory.forwards} addresses; make a group`;
      if (forwards.some((each) => this.#changes.isSame(each, address)))
        return `${address} cannot forward to itself`;
      const list = JSON.stringify([...new Set(forwards)].sort());
      this.#tables.run(
        "setAccount",
        suspended ? 1 : 0,
        quota ?? null,
        messages ?? null,
        list,
        keep ? 1 : 0,
        address,
      );
      return undefined;
    });
  }

  /** False when there is no such account. */
  deleteAccount(address: string): boolean {
    return this.#tables.run("deleteAccount", address) === 1;
  }

  // ---- extensions and instructions of an account ----

  extensions(address: string): readonly Extension[] {
    return this.#tables
      .all<ExtensionRow>("extensions", this.#changes.account(address)?.id ?? -1)
      .map(({ ext, mailbox, password }) => ({
        ext,
        mailbox: mailbox !== 0,
        password: password ?? undefined,
      }));
  }

  setExtension(address: string, { ext, mailbox, password }: Extension): string | undefined {
    return this.#changes.changing(() => {
      const row = this.#changes.account(address);
      if (!row) return missing(address);
      const name = `${row.local}-${ext}`;
      if (this.#changes.named({ local: name, domain: row.domain }))
        return `${name}@${row.domain} is there already, as an address of its own`;
      this.#tables.run("setExtension", row.id, ext, mailbox ? 1 : 0, password ?? null);
      return undefined;
    });
  }

  deleteExtension(address: string, ext: string): boolean {
    return this.#tables.run("deleteExtension", this.#changes.account(address)?.id ?? -1, ext) === 1;
  }

  instructions(address: string): readonly InstructionsRow[] {
    return this.#tables.all<InstructionsRow>("instructions", this.#changes.account(address)?.id ?? -1);
  }

  /** `name`: what follows `.qmail-` in the name of such a file; "": `.qmail`. */
  setInstructions(address: string, name: string, text: string): string | undefined {
    const row = this.#changes.account(address);
    if (!row) return missing(address);
    if (Buffer.byteLength(text) > limits.directory.instructions)
      return `Instructions have at most ${limits.directory.instructions} bytes`;
    this.#tables.run("setInstructions", row.id, name, text);
    return undefined;
  }

  deleteInstructions(address: string, name: string): boolean {
    return this.#tables.run("deleteInstructions", this.#changes.account(address)?.id ?? -1, name) === 1;
  }

  /** The account that an address is or belongs to, and what follows its name there. */
  whose(address: AccountAddress): { readonly address: string; readonly ext: string } | undefined {
    const { local, domain } = address;
    for (const { name, ext } of [{ name: local, ext: "" }, ...extensionsOf(local, this.marks)]) {
      const row = this.#tables.one<AccountRow>("account", domain, name);
      if (row) return { address: row.address, ext };
    }
    return undefined;
  }

  // ---- all together ----

  /** Runs a change of many parts: all of it is made, or nothing when `keep` says no or it throws. */
  together<T>(change: () => T, keep: (result: T) => boolean): T {
    return this.#changes.inside(change, keep);
  }

  close(): void {
    this.#tables.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

const quotaIn = ({ quota_bytes, quota_messages }: Pick<DomainRow, "quota_bytes" | "quota_messages">) => ({
  quota: quota_bytes ?? undefined,
  messages: quota_messages ?? undefined,
});

const missing = (address: string) => `There is no account ${address}; see: kenro user list`;
