// The folders of an account as Maildir++ lays them out: INBOX is the Maildir itself, "A/B" is the directory ".A.B" in it, names in
// modified UTF-7 on disk; the list of subscriptions is the file `subscriptions`.

import { err, ok, type Result } from "#base/result.ts";
import { type Disk, readWhole, replaceSynced } from "#sys/disk.ts";
import { formatUtf7, parseUtf7 } from "#wire/imap/utf7.ts";
import { Folder } from "./folder.ts";

export const SEPARATOR = "/";

const MOST_FOLDERS = 10_000;

/** The directory of a mailbox name in Unicode, below the Maildir; "" is INBOX. An error says why there can be none. */
export function directoryOf(name: string): Result<string> {
  if (name.toUpperCase() === "INBOX") return ok("");
  const parts = name.split(SEPARATOR);
  if (parts[0]?.toUpperCase() === "INBOX") parts[0] = "INBOX";
  for (const part of parts) {
    if (part === "" || part.length > 100) return err("the mailbox name has an empty or too long part");
    // a dot separates the parts on disk; "/" cannot stand in a file name
    if (/[./\x00-\x1f\x7f]/.test(part) || part.includes("\ufffd"))
      return err("the mailbox name has characters that cannot be used");
  }
  const directory = `.${parts
    .map(formatUtf7)
    .map((part) => part.replaceAll("/", ","))
    .join(".")}`;
  return directory.length <= 250 ? ok(directory) : err("the mailbox name is too long");
}

/** The name in Unicode of a directory in the Maildir, or undefined. */
export function nameOf(directory: string): string | undefined {
  if (!/^\.[^.]/.test(directory)) return undefined;
  const parts = directory.slice(1).split(".").map(parseUtf7);
  return parts.every((part) => part.ok) ? parts.map((part) => part.value).join(SEPARATOR) : undefined;
}

export class Tree {
  readonly #disk: Disk;
  readonly #now: () => number;
  readonly #folders = new Map<string, Folder>();
  readonly path: string;

  constructor(disk: Disk, path: string, now: () => number) {
    this.#disk = disk;
    this.path = path;
    this.#now = now;
  }

  #pathOf(directory: string): string {
    return directory === "" ? this.path : `${this.path}/${directory}`;
  }

  /** All mailbox names, INBOX first, the others sorted. */
  async names(): Promise<readonly string[]> {
    const found = (await this.#disk.list(this.path)).slice(0, MOST_FOLDERS).map(nameOf);
    return ["INBOX", ...found.filter((name) => name !== undefined).sort()];
  }

  /** The folder of a name, shared by all who ask; undefined when there is none. INBOX is made when it is missing. */
  async open(name: string): Promise<Folder | undefined> {
    const directory = directoryOf(name);
    if (!directory.ok) return undefined;
    if (directory.value === "") await this.#make("");
    const known = this.#folders.get(directory.value);
    const there = await this.#disk.stat(`${this.#pathOf(directory.value)}/cur`);
    if (!there?.directory) {
      this.#folders.delete(directory.value);
      return undefined;
    }
    if (known) return known;
    const folder = new Folder(this.#disk, this.#pathOf(directory.value), this.#now);
    this.#folders.set(directory.value, folder);
    return folder;
  }

  async #make(directory: string): Promise<void> {
    for (const place of ["tmp", "new", "cur"]) {
      await this.#disk.makeDirectory(`${this.#pathOf(directory)}/${place}`, 0o700);
    }
  }

  async create(name: string): Promise<Result<true>> {
    const directory = directoryOf(name.endsWith(SEPARATOR) ? name.slice(0, -1) : name);
    if (!directory.ok) return directory;
    if (await this.open(name)) return err("the mailbox exists already");
    await this.#make(directory.value);
    await this.#disk.syncDirectory(this.path);
    return ok(true);
  }

  /** Removes a mailbox and what is in it; its children stay. */
  async remove(name: string): Promise<Result<true>> {
    const directory = directoryOf(name);
    if (!directory.ok || directory.value === "") return err("this mailbox cannot be deleted");
    if (!(await this.open(name))) return err("there is no such mailbox");
    // out of sight in one step, then emptied
    const doomed = `${this.path}/tmp/deleted.${this.#now()}.${directory.value.slice(1)}`;
    await this.#disk.rename(this.#pathOf(directory.value), doomed);
    await this.#disk.syncDirectory(this.path);
    this.#folders.delete(directory.value);
    await this.#disk.removeTree(doomed);
    return ok(true);
  }

  /** Renames a mailbox and its children. */
  async rename(from: string, to: string): Promise<Result<true>> {
    const [old, wanted] = [directoryOf(from), directoryOf(to)];
    if (!old.ok || !(await this.open(from))) return err("there is no such mailbox");
    if (!wanted.ok) return wanted;
    if (old.value === "" || wanted.value === "")
      return err("INBOX cannot be renamed here; move its messages instead");
    if (await this.open(to)) return err("the mailbox exists already");
    for (const directory of await this.#disk.list(this.path)) {
      if (directory !== old.value && !directory.startsWith(`${old.value}.`)) continue;
      const next = wanted.value + directory.slice(old.value.length);
      await this.#disk.rename(this.#pathOf(directory), this.#pathOf(next));
      this.#folders.delete(directory);
    }
    await this.#disk.syncDirectory(this.path);
    return ok(true);
  }

  /** Subscribed names, in Unicode. */
  async subscriptions(): Promise<readonly string[]> {
    const text = (await readWhole(this.#disk, `${this.path}/subscriptions`, 1 << 20))?.toString("utf8") ?? "";
    return text.split("\n").filter((line) => line !== "");
  }

  async subscribe(name: string, wanted: boolean): Promise<void> {
    const others = (await this.subscriptions()).filter((each) => each !== name);
    const lines = (wanted ? [...others, name] : others).map((line) => `${line}\n`).join("");
    await replaceSynced(this.#disk, `${this.path}/subscriptions`, Buffer.from(lines));
  }
}
