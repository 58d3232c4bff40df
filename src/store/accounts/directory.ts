// The directory: domains and accounts, asked by auth for every recipient and login, changed by the command line.

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { splitAddress } from "#wire/envelope.ts";
import { type AccountAddress, foldDomain, foldLocal, maildirOf, unquoteLocal } from "./address.ts";
import { openDatabase, row, rows } from "./database.ts";

export interface Account {
  readonly address: string;
  /** Relative to the data directory. */
  readonly maildir: string;
  /** See credentials.ts. */
  readonly password: string;
  /** ms since 1970. */
  readonly created: number;
}

export interface Domain {
  readonly name: string;
  readonly accounts: number;
  readonly created: number;
}

/** What an address is to us. */
export type Found =
  | { readonly kind: "account"; readonly account: Account }
  | { readonly kind: "unknown" }
  | { readonly kind: "elsewhere" };

interface AccountRow {
  readonly local: string;
  readonly domain: string;
  readonly address: string;
  readonly password: string;
  readonly created: number;
}

const COLUMNS = "SELECT local, domain, address, password, created FROM accounts";
const ROLE_ACCOUNT = "postmaster";

export class Directory implements Disposable {
  readonly #database: DatabaseSync;
  readonly #statements: Readonly<Record<keyof typeof sql, StatementSync>>;

  /** Opens (or makes) the directory; Trouble when it cannot be. */
  constructor(file?: string) {
    this.#database = openDatabase(file);
    const prepared = Object.entries(sql).map(([name, text]) => [name, this.#database.prepare(text)]);
    this.#statements = Object.fromEntries(prepared) as Record<keyof typeof sql, StatementSync>;
  }

  /** Who gets mail for an address; its local part and domain in any case. */
  find(address: string): Found {
    const { local, domain } = splitAddress(address);
    const name = foldLocal(unquoteLocal(local));
    // RFC 5321 §4.5.1: "postmaster" without a domain is ours as well
    if (domain === "" && name === ROLE_ACCOUNT) return found(this.#first(this.#only()?.name ?? ""));
    const place = foldDomain(domain);
    const account = row<AccountRow>(this.#statements.account, place, name);
    if (account) return found(account);
    if (!this.isLocal(place)) return { kind: "elsewhere" };
    // RFC 5321 §4.5.1: mail for postmaster is always taken
    return name === ROLE_ACCOUNT ? found(this.#first(place)) : { kind: "unknown" };
  }

  /** The account somebody logs in as: its address, or its local part alone where there is one domain. */
  login(user: string): Account | undefined {
    const { local, domain } = splitAddress(user);
    const place = domain === "" ? this.#only()?.name : foldDomain(domain);
    const account = row<AccountRow>(this.#statements.account, place ?? "", foldLocal(local));
    return account && accountOf(account);
  }

  isLocal(domain: string): boolean {
    return this.#statements.domain.get(foldDomain(domain)) !== undefined;
  }

  /** In the order of the domains and names; all domains when none is given. */
  accounts(domain?: string): readonly Account[] {
    const { accounts, accountsOf } = this.#statements;
    const found = domain === undefined ? rows<AccountRow>(accounts) : rows<AccountRow>(accountsOf, domain);
    return found.map(accountOf);
  }

  domains(): readonly Domain[] {
    return rows<Domain>(this.#statements.domains);
  }

  /** False when there is one of this name. */
  addDomain(name: string, now: number): boolean {
    return this.#statements.addDomain.run(name, now).changes === 1;
  }

  /** "used": it has accounts. */
  deleteDomain(name: string): "deleted" | "unknown" | "used" {
    return this.#together(() => {
      if (!this.isLocal(name)) return "unknown";
      if (this.accounts(name).length > 0) return "used";
      this.#statements.deleteDomain.run(name);
      return "deleted";
    });
  }

  /** "elsewhere": the domain is not ours. */
  addAccount(
    { address, local, domain }: AccountAddress,
    password: string,
    now: number,
  ): "added" | "exists" | "elsewhere" {
    return this.#together(() => {
      if (!this.isLocal(domain)) return "elsewhere";
      const added = this.#statements.addAccount.run(local, domain, address, password, now);
      return added.changes === 1 ? "added" : "exists";
    });
  }

  /** False when there is no such account. */
  setPassword(address: string, password: string): boolean {
    return this.#statements.setPassword.run(password, address).changes === 1;
  }

  /** False when there is no such account. */
  deleteAccount(address: string): boolean {
    return this.#statements.deleteAccount.run(address).changes === 1;
  }

  close(): void {
    this.#database.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** The domain where there is just one; for postmaster the first. */
  #only(): { readonly name: string } | undefined {
    const [first, second] = rows<{ readonly name: string }>(this.#statements.firstDomains);
    return second === undefined ? first : undefined;
  }

  /** The oldest account of a domain, else of all. */
  #first(domain: string): AccountRow | undefined {
    return row<AccountRow>(this.#statements.firstOf, domain) ?? row<AccountRow>(this.#statements.first);
  }

  #together<T>(change: () => T): T {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const result = change();
      this.#database.exec("COMMIT");
      return result;
    } catch (thrown) {
      this.#database.exec("ROLLBACK");
      throw thrown;
    }
  }
}

const sql = {
  account: `${COLUMNS} WHERE domain = ? AND local = ?`,
  accounts: `${COLUMNS} ORDER BY domain, local`,
  accountsOf: `${COLUMNS} WHERE domain = ? ORDER BY local`,
  first: `${COLUMNS} ORDER BY id LIMIT 1`,
  firstOf: `${COLUMNS} WHERE domain = ? ORDER BY id LIMIT 1`,
  domain: "SELECT 1 FROM domains WHERE name = ?",
  domains: `SELECT name, created, (SELECT count(*) FROM accounts WHERE domain = name) AS accounts FROM domains ORDER BY name`,
  firstDomains: "SELECT name FROM domains ORDER BY created, rowid LIMIT 2",
  addDomain: "INSERT INTO domains (name, created) VALUES (?, ?) ON CONFLICT DO NOTHING",
  deleteDomain: "DELETE FROM domains WHERE name = ?",
  addAccount:
    "INSERT INTO accounts (local, domain, address, password, created) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
  setPassword: "UPDATE accounts SET password = ? WHERE address = ?",
  deleteAccount: "DELETE FROM accounts WHERE address = ?",
} as const;

const found = (account: AccountRow | undefined): Found =>
  account ? { kind: "account", account: accountOf(account) } : { kind: "unknown" };

const accountOf = ({ local, domain, address, password, created }: AccountRow): Account => ({
  address,
  maildir: maildirOf(local, domain),
  password,
  created,
});
