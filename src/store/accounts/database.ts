// The directory's file: accounts/directory.db, SQLite in WAL mode, written by auth and by the command line as the same user.

import fs from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { Trouble } from "#base/problem.ts";

/** Relative to the data directory. */
export const DIRECTORY_FILE = "accounts/directory.db";

/** How long a writer waits for another one. */
const BUSY_TIMEOUT = 5000;

/** One step for each version of the schema, in order; a released step is never changed. `user_version` counts those done. */
const migrations: readonly string[] = [
  `CREATE TABLE domains (
     name TEXT PRIMARY KEY NOT NULL,
     created INTEGER NOT NULL
   ) STRICT;
   CREATE TABLE accounts (
     id INTEGER PRIMARY KEY,
     local TEXT NOT NULL,
     domain TEXT NOT NULL REFERENCES domains (name),
     address TEXT NOT NULL UNIQUE,
     password TEXT NOT NULL,
     created INTEGER NOT NULL,
     UNIQUE (domain, local)
   ) STRICT;`,
  // docs/directory.md; lists of addresses that nobody looks up by their members are JSON
  `ALTER TABLE domains ADD COLUMN alias_of TEXT REFERENCES domains (name);
   ALTER TABLE domains ADD COLUMN catch_all TEXT;
   ALTER TABLE domains ADD COLUMN quota_bytes INTEGER;
   ALTER TABLE domains ADD COLUMN quota_messages INTEGER;
   ALTER TABLE domains ADD COLUMN max_accounts INTEGER;
   ALTER TABLE domains ADD COLUMN total_bytes INTEGER;
   ALTER TABLE domains ADD COLUMN total_messages INTEGER;
   ALTER TABLE accounts ADD COLUMN suspended INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE accounts ADD COLUMN quota_bytes INTEGER;
   ALTER TABLE accounts ADD COLUMN quota_messages INTEGER;
   ALTER TABLE accounts ADD COLUMN forwards TEXT NOT NULL DEFAULT '[]';
   ALTER TABLE accounts ADD COLUMN keep INTEGER NOT NULL DEFAULT 1;
   CREATE TABLE extensions (
     account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
     ext TEXT NOT NULL,
     mailbox INTEGER NOT NULL,
     password TEXT,
     PRIMARY KEY (account, ext)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE instructions (
     account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
     name TEXT NOT NULL,
     text TEXT NOT NULL,
     PRIMARY KEY (account, name)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE aliases (
     id INTEGER PRIMARY KEY,
     local TEXT NOT NULL,
     domain TEXT NOT NULL REFERENCES domains (name),
     address TEXT NOT NULL UNIQUE,
     owner TEXT,
     verp INTEGER NOT NULL,
     created INTEGER NOT NULL,
     UNIQUE (domain, local)
   ) STRICT;
   CREATE TABLE targets (
     alias INTEGER NOT NULL REFERENCES aliases (id) ON DELETE CASCADE,
     target TEXT NOT NULL,
     PRIMARY KEY (alias, target)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX targets_target ON targets (target);`,
];

/** Opens the directory below the working directory, makes it when it is missing, and brings its schema up to date. */
export function openDatabase(file: string = DIRECTORY_FILE): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    // SQLite gives its -wal and -shm files the mode of the database
    fs.closeSync(fs.openSync(file, "a", 0o600));
    database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT, enableForeignKeyConstraints: true });
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF");
    migrate(database, file);
    return database;
  } catch (thrown) {
    database?.close();
    throw Trouble.from(`open accounts "${file}"`, thrown);
  }
}

function migrate(database: DatabaseSync, file: string): void {
  if (versionOf(database) === migrations.length) return;
  database.exec("BEGIN IMMEDIATE");
  try {
    // another process may have done it while we waited
    const version = versionOf(database);
    if (version > migrations.length)
      throw new Trouble("open", `Cannot open "${file}": a newer release of Kenro has written it`);
    for (const step of migrations.slice(version)) database.exec(step);
    database.exec(`PRAGMA user_version = ${migrations.length}; COMMIT`);
  } catch (thrown) {
    database.exec("ROLLBACK");
    throw thrown;
  }
}

const versionOf = (database: DatabaseSync): number =>
  Number(database.prepare("PRAGMA user_version").get()?.["user_version"]);

export type SqlValue = string | number | null;

/** A row of a statement in the shape its SELECT promises. */
export function row<T>(statement: StatementSync, ...values: SqlValue[]): T | undefined {
  return statement.get(...values) as T | undefined;
}

export function rows<T>(statement: StatementSync, ...values: SqlValue[]): readonly T[] {
  return statement.all(...values) as T[];
}
