// The tables of the directory as rows: every statement, and the shapes that it gives and takes. What they mean: resolve.ts and directory.ts.

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { limits } from "#base/limits.ts";
import { openDatabase, row, rows, type SqlValue } from "./database.ts";

export interface DomainRow {
  readonly name: string;
  readonly created: number;
  readonly alias_of: string | null;
  readonly catch_all: string | null;
  readonly quota_bytes: number | null;
  readonly quota_messages: number | null;
  readonly max_accounts: number | null;
  /** Of all its accounts together. */
  readonly total_bytes: number | null;
  readonly total_messages: number | null;
}

export interface AccountRow {
  readonly id: number;
  readonly local: string;
  readonly domain: string;
  readonly address: string;
  readonly password: string;
  readonly created: number;
  readonly suspended: number;
  readonly quota_bytes: number | null;
  readonly quota_messages: number | null;
  /** A list of addresses as JSON. */
  readonly forwards: string;
  readonly keep: number;
  /** Of its domain. */
  readonly domain_bytes: number | null;
  readonly domain_messages: number | null;
  readonly total_bytes: number | null;
  readonly total_messages: number | null;
}

export interface ExtensionRow {
  readonly ext: string;
  readonly mailbox: number;
  readonly password: string | null;
}

export interface AliasRow {
  readonly id: number;
  readonly local: string;
  readonly domain: string;
  readonly address: string;
  /** Of a group; null: an alias. */
  readonly owner: string | null;
  readonly verp: number;
  readonly created: number;
}

export interface InstructionsRow {
  readonly name: string;
  readonly text: string;
}

const ACCOUNTS = `SELECT id, local, domain, address, password, accounts.created, suspended, accounts.quota_bytes, accounts.quota_messages, forwards, keep,
  domains.quota_bytes AS domain_bytes, domains.quota_messages AS domain_messages, total_bytes, total_messages FROM accounts JOIN domains ON name = domain`;
const DOMAINS =
  "SELECT name, created, alias_of, catch_all, quota_bytes, quota_messages, max_accounts, total_bytes, total_messages FROM domains";
const ALIASES = "SELECT id, local, domain, address, owner, verp, created FROM aliases";

const sql = {
  account: `${ACCOUNTS} WHERE domain = ? AND local = ?`,
  accounts: `${ACCOUNTS} ORDER BY domain, local`,
  accountsOf: `${ACCOUNTS} WHERE domain = ? ORDER BY local`,
  first: `${ACCOUNTS} ORDER BY id LIMIT 1`,
  firstOf: `${ACCOUNTS} WHERE domain = ? ORDER BY id LIMIT 1`,
  addAccount:
    "INSERT INTO accounts (local, domain, address, password, created) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
  setPassword: "UPDATE accounts SET password = ? WHERE address = ?",
  setAccount:
    "UPDATE accounts SET suspended = ?, quota_bytes = ?, quota_messages = ?, forwards = ?, keep = ? WHERE address = ?",
  deleteAccount: "DELETE FROM accounts WHERE address = ?",
  domain: `${DOMAINS} WHERE name = ?`,
  domains: `${DOMAINS} ORDER BY name`,
  firstDomains: `${DOMAINS} WHERE alias_of IS NULL ORDER BY created, rowid LIMIT 2`,
  domainsLike: "SELECT name FROM domains WHERE alias_of = ? ORDER BY name",
  addDomain: "INSERT INTO domains (name, created) VALUES (?, ?) ON CONFLICT DO NOTHING",
  setDomain:
    "UPDATE domains SET alias_of = ?, catch_all = ?, quota_bytes = ?, quota_messages = ?, max_accounts = ?, total_bytes = ?, total_messages = ? WHERE name = ?",
  deleteDomain: "DELETE FROM domains WHERE name = ?",
  extension: "SELECT ext, mailbox, password FROM extensions WHERE account = ? AND ext = ?",
  extensions: "SELECT ext, mailbox, password FROM extensions WHERE account = ? ORDER BY ext",
  setExtension:
    "INSERT INTO extensions (account, ext, mailbox, password) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET mailbox = excluded.mailbox, password = excluded.password",
  deleteExtension: "DELETE FROM extensions WHERE account = ? AND ext = ?",
  instruction: "SELECT name, text FROM instructions WHERE account = ? AND name = ?",
  instructions: "SELECT name, text FROM instructions WHERE account = ? ORDER BY name",
  anyInstructions: "SELECT 1 FROM instructions WHERE account = ? LIMIT 1",
  setInstructions:
    "INSERT INTO instructions (account, name, text) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET text = excluded.text",
  deleteInstructions: "DELETE FROM instructions WHERE account = ? AND name = ?",
  alias: `${ALIASES} WHERE domain = ? AND local = ?`,
  aliases: `${ALIASES} ORDER BY domain, local`,
  aliasesOf: `${ALIASES} WHERE domain = ? ORDER BY local`,
  addAlias:
    "INSERT INTO aliases (local, domain, address, owner, verp, created) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
  setAlias: "UPDATE aliases SET owner = ?, verp = ? WHERE address = ?",
  deleteAlias: "DELETE FROM aliases WHERE address = ?",
  targets: "SELECT target FROM targets WHERE alias = ? ORDER BY target",
  addTarget: "INSERT INTO targets (alias, target) VALUES (?, ?) ON CONFLICT DO NOTHING",
  deleteTarget: "DELETE FROM targets WHERE alias = ? AND target = ?",
  deleteTargets: "DELETE FROM targets WHERE alias = ?",
  aliasesTo: `${ALIASES} WHERE owner IS NULL AND id IN (SELECT alias FROM targets WHERE target = ?) AND 1 = (SELECT count(*) FROM targets WHERE alias = id)
    ORDER BY domain, local LIMIT ${limits.directory.senders}`,
} as const;

type Name = keyof typeof sql;

export class Tables implements Disposable {
  readonly #database: DatabaseSync;
  readonly #statements: Readonly<Record<Name, StatementSync>>;

  /** Opens (or makes) the directory; Trouble when it cannot be. */
  constructor(file?: string) {
    this.#database = openDatabase(file);
    const prepared = Object.entries(sql).map(([name, text]) => [name, this.#database.prepare(text)]);
    this.#statements = Object.fromEntries(prepared) as Record<Name, StatementSync>;
  }

  /** The first row, in the shape that the statement's SELECT promises. */
  one<T>(name: Name, ...values: SqlValue[]): T | undefined {
    return row<T>(this.#statements[name], ...values);
  }

  all<T>(name: Name, ...values: SqlValue[]): readonly T[] {
    return rows<T>(this.#statements[name], ...values);
  }

  /** How many rows changed. */
  run(name: Name, ...values: SqlValue[]): number {
    return Number(this.#statements[name].run(...values).changes);
  }

  /** All of it or nothing; nothing too when it throws. */
  together<T>(change: () => T): T {
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

  close(): void {
    this.#database.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
