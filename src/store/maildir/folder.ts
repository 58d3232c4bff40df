// Folder: one Maildir as a list of messages with UIDs, kept in step with the directory, which other programs change too.
// All sessions of a mailbox meet in one Folder; each sees its changes through counters.

import { codeOf, invariant } from "#base/problem.ts";
import type { Disk, DiskFile } from "#sys/disk.ts";
import { formatName, type MaildirName, normalFlags, parseName } from "./names.ts";
import { UidFile } from "./uidlist.ts";

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

/** A finished, synced file in tmp/ that is to become a message. */
export interface Finished {
  readonly tmp: string;
  readonly base: string;
  /** Letters. */
  readonly flags: string;
}

interface Found {
  readonly place: "new" | "cur";
  readonly file: string;
  readonly name: MaildirName;
}

/** A directory that changed this short a time ago may change again within the same time stamp. */
const STAMP = 2000;

/** Who only happens to come by looks at the directory again after this. */
const GLANCE = 1000;

/** Names that cannot be opened by what readdir(3) says, or would break the list of UIDs. */
const UNUSABLE = /^\.|[\x00-\x1f\x7f\ufffd]/;

export interface FolderOptions {
  readonly disk: Disk;
  /** The Maildir of this folder. */
  readonly path: string;
  /** ms since 1970. */
  readonly now: () => number;
  /** For a folder that has no list of UIDs yet. */
  readonly newValidity: () => Promise<number>;
}

export class Folder {
  readonly #options: FolderOptions;
  readonly #disk: Disk;
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
  #uids: UidFile | undefined;
  #stamp = "";
  #looked = Number.NEGATIVE_INFINITY;
  #busy: Promise<unknown> = Promise.resolve();

  constructor(options: FolderOptions) {
    this.#options = options;
    this.#disk = options.disk;
    this.path = options.path;
  }

  get validity(): number {
    return this.#uids?.list.validity ?? 0;
  }

  get nextUid(): number {
    return this.#uids?.list.next ?? 1;
  }

  /** The name by which POP3 clients know the message since it was under Dovecot, when that is kept in the list of UIDs. */
  oldUidl({ base }: Message): string | undefined {
    return /(?:^| )P([!-~]{1,70})(?: |$)/.exec(this.#uids?.list.entries.get(base)?.extra ?? "")?.[1];
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

  /** As scan, for those who do not depend on it: not more than once a second. */
  async glance(): Promise<void> {
    if (Math.abs(this.#options.now() - this.#looked) >= GLANCE) await this.scan();
  }

  async #scan(force: boolean): Promise<void> {
    this.#looked = this.#options.now();
    const stamp = await this.#directoryStamp();
    if (!force && this.#uids && stamp !== "" && stamp === this.#stamp) return;
    const found = await this.#list();
    this.#uids ??= await UidFile.open(this.#disk, this.path, this.#options.newValidity);
    const dropped = this.#drop(this.messages.filter(({ base }) => !found.has(base)));
    const updated = this.#update(found);
    const added = await this.#adopt(found, this.#uids);
    this.#stamp = stamp;
    if (dropped || updated || added) this.#tell();
  }

  /** Modification times of new/ and cur/; "" while one of them is too fresh to be trusted. */
  async #directoryStamp(): Promise<string> {
    const places = await Promise.all(["new", "cur"].map((place) => this.#disk.stat(`${this.path}/${place}`)));
    const times = places.map((found) => found?.mtimeMs ?? 0);
    const fresh = times.some((time) => this.#options.now() - time < STAMP);
    return fresh ? "" : times.join();
  }

  async #list(): Promise<ReadonlyMap<string, Found>> {
    const found = await this.#listOnce();
    // readdir(3) may miss a file that is renamed meanwhile: who seems to be gone is looked for once more
    return this.messages.every(({ base }) => found.has(base)) ? found : this.#listOnce();
  }

  async #listOnce(): Promise<ReadonlyMap<string, Found>> {
    const found = new Map<string, Found>();
    for (const place of ["new", "cur"] as const) {
      for (const file of await this.#disk.list(`${this.path}/${place}`)) {
        if (UNUSABLE.test(file)) continue;
        const name = parseName(file);
        // cur/ comes second and wins: a message on its way from new/ to cur/ may be seen in both
        found.set(name.base, { place, file, name });
      }
    }
    return found;
  }

  #drop(gone: readonly Message[]): boolean {
    if (gone.length === 0) return false;
    for (const message of gone) {
      message.gone = true;
      this.#byBase.delete(message.base);
      this.#uids?.remove(message.base);
    }
    this.messages = this.messages.filter((message) => !message.gone);
    this.expunges++;
    return true;
  }

  #update(found: ReadonlyMap<string, Found>): boolean {
    let changed = false;
    for (const message of this.messages) {
      const now = found.get(message.base);
      if (!now || (now.file === message.file && now.place === message.place)) continue;
      message.place = now.place;
      message.file = now.file;
      if (now.name.flags === message.flags) continue;
      message.flags = now.name.flags;
      message.changed = ++this.changes;
      changed = true;
    }
    return changed;
  }

  /** Messages the list does not know get UIDs, in the order of their names, which is that of their arrival. */
  async #adopt(found: ReadonlyMap<string, Found>, uids: UidFile): Promise<boolean> {
    const fresh = [...found.values()].filter(({ name }) => !this.#byBase.has(name.base));
    const known = ({ name }: Found) => uids.list.entries.has(name.base);
    const unknown = fresh.filter((each) => !known(each)).map(({ name }) => name);
    unknown.sort((a, b) => a.seconds - b.seconds || (a.base < b.base ? -1 : 1));
    try {
      if (unknown.length > 0) await uids.add(unknown.map(({ base }) => base));
    } catch (trouble) {
      // on a full disk new mail has to wait, but the old can be read, and be removed to make room
      if (unknown.length === found.size) throw trouble;
    }
    const ready = fresh.filter(known);
    for (const each of ready) this.#meet(each, uids);
    this.messages.sort((a, b) => a.uid - b.uid);
    return ready.length > 0;
  }

  #meet({ place, file, name }: Found, uids: UidFile): Message {
    const entry = uids.list.entries.get(name.base);
    const counted = /(?:^| )W(\d{1,15})(?: |$)/.exec(entry?.extra ?? "")?.[1];
    const message: Message = {
      uid: entry?.uid ?? 0,
      base: name.base,
      received: name.received,
      place,
      file,
      flags: name.flags,
      wireSize: name.wireSize ?? (counted === undefined ? undefined : Number(counted)),
      gone: false,
      changed: 0,
      recent: place === "new",
    };
    this.messages.push(message);
    this.#byBase.set(name.base, message);
    return message;
  }

  #tell(): void {
    for (const watcher of [...this.watchers]) watcher();
  }

  pathOf(message: Message): string {
    return `${this.path}/${message.place}/${message.file}`;
  }

  /**
   * Changes a message's flags (letters) and moves it to cur/. False when it is gone. `change` is asked again when another program has
   * changed them meanwhile, so that nobody's letters are lost.
   */
  setFlags(message: Message, change: (flags: string) => string): Promise<boolean> {
    return this.#alone(() => this.#setFlags(message, change));
  }

  async #setFlags(message: Message, change: (flags: string) => string): Promise<boolean> {
    const wanted = () => normalFlags(change(message.flags));
    if (message.place === "cur" && message.file === formatName(message.base, wanted())) return !message.gone;
    let file = "";
    const done = await this.#chase(message, (path) => {
      file = formatName(message.base, wanted());
      return this.#disk.rename(path, `${this.path}/cur/${file}`);
    });
    if (!done) return false;
    const { flags } = parseName(file);
    const changed = message.flags !== flags;
    message.place = "cur";
    message.file = file;
    message.flags = flags;
    if (changed) {
      message.changed = ++this.changes;
      this.#tell();
    }
    return true;
  }

  /** Removes these messages; those already gone are no trouble. */
  expunge(messages: readonly Message[]): Promise<void> {
    return this.#alone(async () => {
      const removed: Message[] = [];
      try {
        for (const message of messages) {
          if (await this.#chase(message, (path) => this.#remove(path))) removed.push(message);
        }
      } finally {
        // what is removed is told, even when the disk fails at the next one
        if (this.#drop(removed)) this.#tell();
      }
      await this.#disk.syncDirectory(`${this.path}/cur`);
    });
  }

  async #remove(path: string): Promise<void> {
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

  /** Opens a message; undefined when it is gone. Waits for nobody unless the file has another name by now. */
  async open(message: Message): Promise<DiskFile | undefined> {
    if (message.gone) return undefined;
    const file = await this.#disk.openRead(this.pathOf(message));
    return file ?? this.#alone(() => this.#openAgain(message));
  }

  async #openAgain(message: Message): Promise<DiskFile | undefined> {
    const file = message.gone ? undefined : await this.#disk.openRead(this.pathOf(message));
    if (file) return file;
    await this.#scan(true);
    return message.gone ? undefined : this.#disk.openRead(this.pathOf(message));
  }

  /** Messages in new/ go to cur/, as a reader that has seen them does (maildir(5)). */
  settleNew(): Promise<void> {
    return this.#alone(async () => {
      for (const message of [...this.messages]) {
        if (message.place === "new") await this.#setFlags(message, (flags) => flags);
      }
    });
  }

  /**
   * Files from tmp/ become messages, renamed into cur/; their uids, in the same order. Messages and UIDs survive a crash when it
   * resolves. Trouble: some of them may be messages now.
   */
  adopt(files: readonly Finished[]): Promise<readonly number[]> {
    return this.#alone(async () => {
      if (!this.#uids) await this.#scan(false);
      const uids = this.#uids;
      invariant(uids, "a scanned folder has no list of UIDs");
      for (const { tmp, base, flags } of files) {
        await this.#disk.rename(tmp, `${this.path}/cur/${formatName(base, flags)}`);
      }
      await Promise.all([
        this.#disk.syncDirectory(`${this.path}/cur`),
        uids.add(files.map(({ base }) => base)),
      ]);
      const added = files.map(({ base, flags }) => {
        const file = formatName(base, flags);
        return this.#meet({ place: "cur", file, name: parseName(file) }, uids).uid;
      });
      this.#tell();
      return added;
    });
  }
}
