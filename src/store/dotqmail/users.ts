// Which system user a local part belongs to, as the files say now: users/assign or users/cdb, then /etc/passwd (docs/dotqmail.md).

import { limits } from "#base/limits.ts";
import { Trouble } from "#base/problem.ts";
import { type Disk, readWhole } from "#sys/disk.ts";
import { ownerOf } from "#sys/ownfiles.ts";
import {
  type Account,
  compileAssign,
  findAssigned,
  findInPasswd,
  parsePasswd,
  type SystemUser,
} from "#wire/dotqmail/assign.ts";

export interface UsersOptions {
  readonly disk: Disk;
  /** users/assign, or users/cdb when it is called so; "": none. */
  readonly assign: string;
  /** As /etc/passwd; "": none. */
  readonly passwd: string;
  /** Whose everything is that is nobody's. */
  readonly alias: string;
}

/** A file, read and understood again when it has changed. */
class Followed<T> {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #understand: (bytes: Buffer) => T;
  #stamp = "";
  #value: T | undefined;

  constructor(disk: Disk, path: string, understand: (bytes: Buffer) => T) {
    this.#disk = disk;
    this.#path = path;
    this.#understand = understand;
  }

  /** Undefined: there is no such file. Trouble when it cannot be read or understood. */
  async now(): Promise<T | undefined> {
    const found = this.#path === "" ? undefined : await this.#disk.stat(this.#path);
    if (!found) return undefined;
    const stamp = `${found.inode} ${found.size} ${found.mtimeMs} ${found.changedMs}`;
    if (stamp !== this.#stamp) {
      const bytes = await readWhole(this.#disk, this.#path, limits.lspawn.file);
      if (!bytes) return undefined;
      this.#value = this.#understand(bytes);
      this.#stamp = stamp;
    }
    return this.#value;
  }
}

const bad = (path: string, why: string): Trouble => new Trouble("find user", `Cannot use "${path}": ${why}`);

export class Users {
  readonly #options: UsersOptions;
  readonly #assigned: Followed<Buffer>;
  readonly #accounts: Followed<ReadonlyMap<string, Account>>;

  constructor(options: UsersOptions) {
    const { disk, assign, passwd } = options;
    this.#options = options;
    this.#assigned = new Followed(disk, assign, (bytes) => {
      if (assign.endsWith("cdb")) return bytes;
      const compiled = compileAssign(bytes);
      if (compiled.ok) return compiled.value;
      throw bad(assign, compiled.error);
    });
    this.#accounts = new Followed(disk, passwd, (bytes) => parsePasswd(bytes.toString()));
  }

  /** Undefined: nobody's. Trouble when that cannot be known now. */
  async find(local: string): Promise<SystemUser | undefined> {
    const { assign, alias } = this.#options;
    const cdb = await this.#assigned.now();
    if (cdb) {
      const found = findAssigned(cdb, local);
      if (found.kind === "user") return found.user;
      if (found.kind === "damaged") throw bad(assign, found.why);
    }
    const accounts = await this.#accounts.now();
    return accounts && findInPasswd(accounts, local, alias, async ({ uid, home }) => ownerOf(home) === uid);
  }
}
