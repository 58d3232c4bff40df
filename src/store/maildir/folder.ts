// Folder: one Maildir as a list of messages with UIDs, kept in step with the directory, which other programs change too.
// All sessions of a mailbox meet in one Folder; each sees its changes through counters.

import { codeOf } from "#base/problem.ts";
import type { Disk } from "#sys/disk.ts";
import { formatName, normalFlags, parseName } from "./names.ts";
import { loadUidList, newUidList, saveUidList, type UidList } from "./uidlist.ts";

export interface Message {
  readonly uid: number;
  readonly base: string;
  /** ms since 1970, or 0: ask the file. */
  received: number;
  place: "new" | "cur";
  /** Name in its place. */
  file: string;
  /** Letters, sorted. */
  flags: string;
  /** Bytes with CRLF; undefined: not counted yet. */
  wireSize: number | undefined;
  /** It is no longer in the directory. */
  gone: boolean;
  /** Folder.changes when its flags changed last. */
  changed: number;
  /** Found in new/: recent for the session that sees it first. */
  recent: boolean;
}

/** A directory that changed this short a time ago may change again within the same time stamp. */
const STAMP = 2000;

export class Folder {
  readonly #disk: Disk;
  readonly #now: () => number;
  /** The Maildir of this folder, relative to the data directory. */
  readonly path: string;
  /** Ascending by uid. */
  messages: Message[] = [];
  /** Goes up when messages leave. */
  expunges = 0;
  /** Goes up when flags change. */
  changes = 0;
  /** Told after every change; for IDLE. */
  readonly watchers = new Set<() => void>();
  #byBase = new Map<string, Message>();
  #uids: UidList | undefined;
  #stamp = "";
  #busy: Promise<unknown> = Promise.resolve();

  constructor(disk: Disk, path: string, now: () => number) {
    this.#disk = disk;
    this.path = path;
    this.#now = now;
  }

  get validity(): number {
    return this.#uids?.validity ?? 0;
  }

  get nextUid(): number {
    return this.#uids?.next ?? 1;
  }

  /** One change at a time: a scan never sees half of a store. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#busy.then(work, work);
    this.#busy = result.catch(() => {
      // whoever asked for it is told
    });
    return result;
  }

  /** Brings the list up to date with the directory. Cheap when nothing changed. */
  scan(): Promise<void> {
    return this.#alone(() => this.#scan(false));
  }

  async #scan(force: boolean): Promise<void> {
    const stamp = await this.#directoryStamp();
    if (!force && this.#uids && stamp !== "" && stamp === this.#stamp) return;
    const found = await this.#list();
    this.#stamp = stamp;
    const uids = (this.#uids ??= (await loadUidList(this.#disk, this.path)) ?? newUidList(this.#now()));
    let changed = this.#drop(found, uids);
    changed = this.#update(found) || changed;
    if (this.#adopt(found, uids)) {
      changed = true;
      await saveUidList(this.#disk, this.path, uids);
    }
    if (changed) this.#tell();
  }

  /** Modification times of new/ and cur/; "" while one of them is too fresh to be trusted. */
  async #directoryStamp(): Promise<string> {
    const places = await Promise.all(["new", "cur"].map((place) => this.#disk.stat(`${this.path}/${place}`)));
    const times = places.map((found) => found?.mtimeMs ?? 0);
    const fresh = times.some((time) => this.#now() - time < STAMP);
    return fresh ? "" : times.join();
  }

  async #list(): Promise<Map<string, { readonly place: "new" | "cur"; readonly file: string }>> {
    const found = new Map<string, { place: "new" | "cur"; file: string }>();
    for (const place of ["new", "cur"] as const) {
      for (const file of await this.#disk.list(`${this.path}/${place}`)) {
        // cur/ wins: a message on its way from new/ to cur/ may be seen in both
        if (!file.startsWith(".")) found.set(parseName(file).base, { place, file });
      }
    }
    return found;
  }

  #drop(found: ReadonlyMap<string, unknown>, uids: UidList): boolean {
    const gone = this.messages.filter(({ base }) => !found.has(base));
    if (gone.length === 0) return false;
    for (const message of gone) {
      message.gone = true;
      this.#byBase.delete(message.base);
      uids.uids.delete(message.base);
    }
    this.messages = this.messages.filter((message) => !message.gone);
    this.expunges++;
    return true;
  }

  #update(found: ReadonlyMap<string, { readonly place: "new" | "cur"; readonly file: string }>): boolean {
    let changed = false;
    for (const message of this.messages) {
      const now = found.get(message.base);
      if (!now || (now.file === message.file && now.place === message.place)) continue;
      message.place = now.place;
      message.file = now.file;
      const { flags } = parseName(now.file);
      if (flags === message.flags) continue;
      message.flags = flags;
      message.changed = ++this.changes;
      changed = true;
    }
    return changed;
  }

  /** Messages the list does not know get UIDs, in the order of their names, which is that of their arrival. */
  #adopt(
    found: ReadonlyMap<string, { readonly place: "new" | "cur"; readonly file: string }>,
    uids: UidList,
  ): boolean {
    const fresh = [...found].filter(([base]) => !this.#byBase.has(base));
    if (fresh.length === 0) return false;
    const unknown = fresh.filter(([base]) => !uids.uids.has(base));
    const order = unknown.map(([base]) => ({ base, seconds: parseName(base).seconds }));
    order.sort((a, b) => a.seconds - b.seconds || (a.base < b.base ? -1 : 1));
    for (const { base } of order) uids.uids.set(base, uids.next++);
    for (const [base, { place, file }] of fresh) {
      const name = parseName(file);
      const message: Message = {
        uid: uids.uids.get(base) ?? 0,
        base,
        received: name.seconds * 1000,
        place,
        file,
        flags: name.flags,
        wireSize: name.wireSize,
        gone: false,
        changed: 0,
        recent: place === "new",
      };
      this.messages.push(message);
      this.#byBase.set(base, message);
    }
    this.messages.sort((a, b) => a.uid - b.uid);
    return unknown.length > 0;
  }

  #tell(): void {
    for (const watcher of [...this.watchers]) watcher();
  }

  pathOf(message: Message): string {
    return `${this.path}/${message.place}/${message.file}`;
  }

  /** Gives a message other flags (letters) and moves it to cur/. False when it is gone. */
  setFlags(message: Message, flags: string): Promise<boolean> {
    return this.#alone(async () => {
      const wanted = normalFlags(flags);
      const file = formatName(message.base, wanted);
      if (message.place === "cur" && message.file === file) return true;
      const done = await this.#chase(message, (path) => this.#disk.rename(path, `${this.path}/cur/${file}`));
      if (!done) return false;
      const changed = message.flags !== wanted;
      message.place = "cur";
      message.file = file;
      message.flags = wanted;
      if (changed) {
        message.changed = ++this.changes;
        this.#tell();
      }
      return true;
    });
  }

  /** Removes these messages; those already gone are no trouble. */
  expunge(messages: readonly Message[]): Promise<void> {
    return this.#alone(async () => {
      for (const message of messages)
        await this.#chase(message, async (path) => void (await this.#removed(path)));
      await this.#disk.syncDirectory(`${this.path}/cur`);
      await this.#scan(true);
    });
  }

  async #removed(path: string): Promise<void> {
    if (!(await this.#disk.remove(path))) throw Object.assign(new Error("gone"), { code: "ENOENT" });
  }

  /** Does something with a message's file; when another program has renamed it, finds it again once. */
  async #chase(message: Message, action: (path: string) => Promise<void>): Promise<boolean> {
    for (const attempt of [1, 2]) {
      if (message.gone) return false;
      try {
        await action(this.pathOf(message));
        return true;
      } catch (thrown) {
        if (codeOf(thrown) !== "ENOENT") throw thrown;
        if (attempt === 1) await this.#scan(true);
      }
    }
    return false;
  }

  /** Opens a message; undefined when it is gone. */
  open(message: Message) {
    return this.#alone(async () => {
      for (const attempt of [1, 2]) {
        if (message.gone) return undefined;
        const file = await this.#disk.openRead(this.pathOf(message));
        if (file) return file;
        if (attempt === 1) await this.#scan(true);
      }
      return undefined;
    });
  }

  /** Messages in new/ go to cur/, as a reader that has seen them does (maildir(5)). */
  async settleNew(): Promise<void> {
    for (const message of this.messages) {
      if (message.place === "new") await this.setFlags(message, message.flags);
    }
  }

  /** A file that lies finished in tmp/ becomes a message of this folder: renamed into cur/ and synced. Its uid. */
  adopt(tmp: string, base: string, flags: string): Promise<number> {
    return this.#alone(async () => {
      await this.#disk.rename(tmp, `${this.path}/cur/${formatName(base, flags)}`);
      await this.#disk.syncDirectory(`${this.path}/cur`);
      await this.#scan(true);
      return this.#byBase.get(parseName(base).base)?.uid ?? 0;
    });
  }
}
