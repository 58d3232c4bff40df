// Resolve: what an address of ours stands for (docs/directory.md). The first of these that there is: an account, an alias or a group, what belongs to a group (its owner), an
// extension of an account, postmaster, the catch-all of the domain.

import { splitAddress } from "#wire/envelope.ts";
import { extensionsOf, foldDomain, foldLocal, instructionNames, maildirOf, unquoteLocal } from "./address.ts";
import type { AccountRow, AliasRow, DomainRow, ExtensionRow, InstructionsRow, Tables } from "./tables.ts";

export interface Quota {
  /** 0: as many as there is room for. */
  readonly bytes: number;
  readonly messages: number;
}

export interface Account {
  readonly address: string;
  /** Relative to the data directory. */
  readonly maildir: string;
  /** See credentials.ts. */
  readonly password: string;
  /** ms since 1970. */
  readonly created: number;
  /** Nobody logs in, and mail waits elsewhere. */
  readonly suspended: boolean;
  /** Its own or that of its domain; undefined: none. */
  readonly quota: Quota | undefined;
  /** What all accounts of its domain may have together; undefined: as much as there is room for. */
  readonly total: Quota | undefined;
  /** Its mail goes on to these. */
  readonly forwards: readonly string[];
  /** And stays here too. */
  readonly keep: boolean;
}

/** Whom a login is for. */
export interface LoginAccount extends Account {
  /** The address of the account, or of the extension that has the password. */
  readonly name: string;
  /** `maildir` is that of the extension. */
  readonly separate: boolean;
}

/** Text of the user's for an address, in the language of .qmail files. */
export interface Instructions {
  readonly text: string;
  /** What follows `.qmail-` in the name of the file that it would be in; "": `.qmail`. */
  readonly name: string;
  /** What "default" in the name stands for. */
  readonly rest: string | undefined;
  /** There are instructions for `ext-owner` (and `ext-owner-default`): whose name forwarded mail has. */
  readonly owner: "none" | "owner" | "verp";
}

export interface Reached {
  readonly kind: "account";
  readonly account: Account;
  /** Its own, or that of an extension which has one. */
  readonly maildir: string;
  /** What follows the name and a mark in the address; "" where nothing does. */
  readonly ext: string;
  readonly instructions: Instructions | undefined;
}

/** What an address is to us. */
export type Found =
  | Reached
  | {
      readonly kind: "list";
      readonly to: readonly string[];
      /** Of a group: whose name its mail has from then on. */
      readonly owner: string | undefined;
    }
  /** Its aliases lead to each other. */
  | { readonly kind: "looping" }
  | { readonly kind: "unknown" }
  | { readonly kind: "elsewhere" };

/** Aliases with one target that are followed in place. */
const HOPS = 10;

export const ROLE_ACCOUNT = "postmaster";

export class Resolver {
  readonly #tables: Tables;
  /** Characters that part an account's name from an extension. */
  readonly #marks: () => string;

  constructor(tables: Tables, marks: () => string) {
    this.#tables = tables;
    this.#marks = marks;
  }

  /** What mail for an address comes to; its local part and domain in any case. */
  find(address: string): Found {
    let at = address;
    for (let hops = 0; hops <= HOPS; hops++) {
      const found = this.#step(at);
      // with several targets, or one elsewhere, it is the queue that goes on from here
      const [next, ...more] = found.kind === "list" && found.owner === undefined ? found.to : [];
      if (next === undefined || more.length > 0) return found;
      if (!this.#domain(splitAddress(next).domain)) return found;
      // whom the catch-all names is gone
      if (this.#isSame(next, at)) return { kind: "unknown" };
      at = next;
    }
    return { kind: "looping" };
  }

  /** What an address itself stands for, though that may be an alias of something else here. */
  #step(address: string): Found {
    const { local, domain } = splitAddress(address);
    const name = foldLocal(unquoteLocal(local));
    // RFC 5321 §4.5.1: "postmaster" without a domain is ours as well
    if (domain === "" && name === ROLE_ACCOUNT)
      return this.#reached(this.#first(this.only()?.name ?? "")) ?? { kind: "unknown" };
    const place = this.#domain(domain);
    if (!place) return { kind: "elsewhere" };
    return (
      this.#exact(place.name, name) ??
      this.#ofGroup(place.name, name) ??
      this.#extension(place.name, name) ??
      // RFC 5321 §4.5.1: mail for postmaster is always taken
      (name === ROLE_ACCOUNT ? this.#reached(this.#first(place.name)) : undefined) ??
      (place.catch_all === null ? undefined : listOf([place.catch_all])) ?? { kind: "unknown" }
    );
  }

  /** A domain of ours, or the one that it is another name for. */
  #domain(domain: string): DomainRow | undefined {
    const found = this.#tables.one<DomainRow>("domain", foldDomain(domain));
    return found?.alias_of ? this.#tables.one<DomainRow>("domain", found.alias_of) : found;
  }

  #isSame(one: string, other: string): boolean {
    const [a, b] = [splitAddress(one), splitAddress(other)];
    return (
      foldLocal(a.local) === foldLocal(b.local) &&
      this.#domain(a.domain)?.name === this.#domain(b.domain)?.name
    );
  }

  #exact(domain: string, name: string): Found | undefined {
    const account = this.#tables.one<AccountRow>("account", domain, name);
    if (account) return this.#reached(account);
    const alias = this.#tables.one<AliasRow>("alias", domain, name);
    return (
      alias && listOf(targetsOf(this.#tables, alias), alias.owner === null ? undefined : senderOf(alias))
    );
  }

  /** `list-owner`, and what VERP makes of it: `list-owner-ann=example.org`. */
  #ofGroup(domain: string, name: string): Found | undefined {
    for (let at = name.indexOf(OWNER, 1); at > 0; at = name.indexOf(OWNER, at + 1)) {
      const end = name[at + OWNER.length];
      if (end !== undefined && end !== "-") continue;
      const group = this.#tables.one<AliasRow>("alias", domain, name.slice(0, at));
      if (group && group.owner !== null) return listOf([group.owner]);
    }
    return undefined;
  }

  #extension(domain: string, name: string): Found | undefined {
    for (const { name: user, ext } of extensionsOf(name, this.#marks())) {
      const account = this.#tables.one<AccountRow>("account", domain, user);
      if (account) return this.#reached(account, ext);
    }
    return undefined;
  }

  #reached(row: AccountRow | undefined, ext = ""): Reached | undefined {
    if (!row) return undefined;
    const own = ext === "" ? undefined : this.#tables.one<ExtensionRow>("extension", row.id, ext);
    return {
      kind: "account",
      account: accountOf(row),
      maildir: own?.mailbox ? extensionMaildir(row, ext) : maildirOf(row.local, row.domain),
      ext,
      // who gave it a mailbox of its own wants its mail there
      instructions: own?.mailbox && !this.#named(row.id, ext) ? undefined : this.#instructions(row.id, ext),
    };
  }

  #named(account: number, ext: string): InstructionsRow | undefined {
    const [exact] = instructionNames(ext);
    return exact && this.#tables.one<InstructionsRow>("instruction", account, exact.name);
  }

  /** The best that there are for an extension; those of the account itself where there are none. */
  #instructions(account: number, ext: string): Instructions | undefined {
    if (!this.#tables.one("anyInstructions", account)) return undefined;
    const find = (name: string) => this.#tables.one<InstructionsRow>("instruction", account, name);
    for (const { name, rest } of [...instructionNames(ext), { name: "", rest: undefined }]) {
      const found = find(name);
      if (!found) continue;
      const safe = ext.replaceAll(".", ":");
      const owned = find(safe === "" ? "owner" : `${safe}-owner`);
      const verp = owned && find(safe === "" ? "owner-default" : `${safe}-owner-default`);
      return { text: found.text, name, rest, owner: verp ? "verp" : owned ? "owner" : "none" };
    }
    return undefined;
  }

  /** The domain where there is just one that is not another name for one. */
  only(): DomainRow | undefined {
    const [first, second] = this.#tables.all<DomainRow>("firstDomains");
    return second === undefined ? first : undefined;
  }

  /** The oldest account of a domain, else of all. */
  #first(domain: string): AccountRow | undefined {
    return this.#tables.one<AccountRow>("firstOf", domain) ?? this.#tables.one<AccountRow>("first");
  }

  /** The account somebody logs in as, or an extension of one that has a password: its address, or its local part alone where there is one domain. */
  login(user: string): LoginAccount | undefined {
    const { local, domain } = splitAddress(user);
    const place = domain === "" ? this.only() : this.#domain(domain);
    if (!place) return undefined;
    const name = foldLocal(local);
    const row = this.#tables.one<AccountRow>("account", place.name, name);
    if (row) return { ...accountOf(row), name: row.address, separate: false };
    for (const { name: whose, ext } of extensionsOf(name, this.#marks())) {
      const owner = this.#tables.one<AccountRow>("account", place.name, whose);
      const own = owner && this.#tables.one<ExtensionRow>("extension", owner.id, ext);
      if (!owner || !own || own.password === null) continue;
      const account = accountOf(owner);
      const maildir = own.mailbox ? extensionMaildir(owner, ext) : account.maildir;
      const separate = own.mailbox !== 0;
      return { ...account, maildir, password: own.password, name: extensionAddress(owner, ext), separate };
    }
    return undefined;
  }
}

/** Where an alias or a group leads. */
export const targetsOf = (tables: Tables, { id }: AliasRow): readonly string[] =>
  tables.all<{ readonly target: string }>("targets", id).map(({ target }) => target);

const OWNER = "-owner";

const listOf = (to: readonly string[], owner?: string): Found => ({ kind: "list", to, owner });

/** Whose name the mail of a group has: its owner's address, or one for each member (VERP, as qmail has it). */
const senderOf = ({ local, domain, verp }: AliasRow): string =>
  verp ? `${local}-owner-@${domain}-@[]` : `${local}-owner@${domain}`;

export const extensionAddress = (
  { local, domain }: Pick<AccountRow, "local" | "domain">,
  ext: string,
): string => `${local}-${ext}@${domain}`;

const extensionMaildir = ({ local, domain }: AccountRow, ext: string): string =>
  maildirOf(`${local}-${ext}`, domain);

export function accountOf(row: AccountRow): Account {
  const { local, domain, address, password, created, suspended, keep } = row;
  return {
    address,
    maildir: maildirOf(local, domain),
    password,
    created,
    suspended: suspended !== 0,
    quota: quotaOf(row.quota_bytes ?? row.domain_bytes, row.quota_messages ?? row.domain_messages),
    total: quotaOf(row.total_bytes, row.total_messages),
    forwards: JSON.parse(row.forwards) as readonly string[],
    keep: keep !== 0,
  };
}

function quotaOf(bytes: number | null, messages: number | null): Quota | undefined {
  return bytes || messages ? { bytes: bytes ?? 0, messages: messages ?? 0 } : undefined;
}
