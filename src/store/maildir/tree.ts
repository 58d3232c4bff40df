// The folders of an account as Maildir++ lays them out: INBOX is the Maildir itself, "A/B" is the directory ".A.B" in it, names in
// modified UTF-7 on disk; the list of subscriptions is the file `subscriptions`.

import { randomBytes } from "node:crypto";
import { err, ok, type Result } from "#base/result.ts";
import { type Disk, readWhole, replaceSynced } from "#sys/disk.ts";
import { formatUtf7, parseUtf7 } from "#wire/imap/utf7.ts";
import { Folder } from "./folder.ts";
import { newValidity } from "./uidlist.ts";

export const SEPARATOR = "/";

const MOST_FOLDERS = 10_000;

/** Bytes of a directory's name: a file name has 255, and what stands beside it needs some. */
const LONGEST = 200;

const DOT = "&AC4-";

const DOOMED = "..deleted.";

const SUBSCRIPTIONS = "subscriptions";

/** The directory of a mailbox name in Unicode, below the Maildir; "" is INBOX. An error says why there can be none. */
export function directoryOf(name: string): Result<string> {
  if (name.toUpperCase() === "INBOX") return ok("");
  const parts = name.split(SEPARATOR);
  if (parts[0]?.toUpperCase() === "INBOX") parts[0] = "INBOX";
  for (const part of parts) {
    if (part === "" || part.length > 100) return err("the mailbox name has an empty or too long part");
    if (/[\x00-\x1f\x7f\ufffd]/.test(part) || !part.isWellFormed())
      return err("the mailbox name has characters that cannot be used");
  }
  // a dot separates the parts on disk: one in a name is written as what is not ASCII is
  const directory = `.${parts.map((part) => formatUtf7(part).replaceAll(".", DOT)).join(".")}`;
  return directory.length <= LONGEST ? ok(directory) : err("the mailbox name is too long");
}

/** The name in Unicode of a directory in the Maildir, or undefined. */
export function nameOf(directory: string): string | undefined {
  if (!/^\.[^.]/.test(directory)) return undefined;
  const names: string[] = [];
  for (const part of directory.slice(1).split(".")) {
    const pieces = part.split(DOT).map(parseUtf7);
    if (part === "" || !pieces.every((piece) => piece.ok)) return undefined;
    names.push(pieces.map(({ value }) => value).join("."));
  }
  return names.join(SEPARATOR);
}

/** As it is shown and compared: INBOX is the same in any case, also as a parent. */
export const canonicalName = (name: string): string => name.replace(/^inbox(?=\/|$)/i, "INBOX");

export type TreeProblem = "exists" | "missing" | "impossible";

/** Why a mailbox was not changed. */
export interface Refusal {
  readonly problem: TreeProblem;
  readonly text: string;
}

const refuse = (problem: TreeProblem, text: string) => err<Refusal>({ problem, text });
const MISSING = refuse("missing", "there is no such mailbox");
const EXISTS = refuse("exists", "the mailbox exists already");

export class Tree {
  readonly #disk: Disk;
  readonly #now: () => number;
  readonly #folders = new Map<string, Folder>();
  readonly path: string;
  #validity: Promise<unknown> = Promise.resolve();

  constructor(disk: Disk, path: string, now: () => number) {
    this.#disk = disk;
    this.path = path;
    this.#now = now;
  }

  #pathOf(directory: string): string {
    return directory === "" ? this.path : `${this.path}/${directory}`;
  }

  /** One at a time, so that no two folders get the same. */
  #newValidity(): Promise<number> {
    const next = this.#validity.then(() => newValidity(this.#disk, this.path, this.#now()));
    this.#validity = next.catch(() => {
      // whoever asked for it is told
    });
    return next;
  }

  /** All mailbox names, INBOX first, the others sorted. */
  async names(): Promise<readonly string[]> {
    const found = (await this.#disk.list(this.path)).map(nameOf).filter((name) => name !== undefined);
    return ["INBOX", ...found.sort().slice(0, MOST_FOLDERS)];
  }

  /** The folder of a name, shared by all who ask; undefined when there is none. INBOX is made when it is missing. */
  async open(name: string): Promise<Folder | undefined> {
    const directory = directoryOf(name);
    if (!directory.ok) return undefined;
    const there = await this.#disk.stat(`${this.#pathOf(directory.value)}/cur`);
    if (!there && directory.value === "") await this.#make("");
    else if (!there?.directory) {
      this.#folders.delete(directory.value);
      return undefined;
    }
    const known = this.#folders.get(directory.value);
    if (known) return known;
    const folder = new Folder({
      disk: this.#disk,
      path: this.#pathOf(directory.value),
      now: this.#now,
      newValidity: () => this.#newValidity(),
    });
    this.#folders.set(directory.value, folder);
    return folder;
  }

  /** cur/ comes last: a folder that has it is whole. */
  async #make(directory: string): Promise<void> {
    for (const place of ["tmp", "new", "cur"]) {
      await this.#disk.makeDirectory(`${this.#pathOf(directory)}/${place}`, 0o700);
    }
  }

  async create(name: string): Promise<Result<true, Refusal>> {
    const directory = directoryOf(name.endsWith(SEPARATOR) ? name.slice(0, -1) : name);
    if (!directory.ok) return refuse("impossible", directory.error);
    if (directory.value === "" || (await this.open(name))) return EXISTS;
    if ((await this.names()).length > MOST_FOLDERS)
      return refuse("impossible", "there are too many mailboxes");
    await this.#make(directory.value);
    return ok(true);
  }

  /** Removes a mailbox and what is in it; its children stay. */
  async remove(name: string): Promise<Result<true, Refusal>> {
    const directory = directoryOf(name);
    if (!directory.ok) return refuse("impossible", directory.error);
    if (directory.value === "") return refuse("impossible", "INBOX cannot be deleted");
    if (!(await this.open(name))) return MISSING;
    // out of sight in one step, then emptied; nameOf() knows no name with two dots
    const doomed = `${this.path}/${DOOMED}${randomBytes(9).toString("base64url")}`;
    await this.#disk.rename(this.#pathOf(directory.value), doomed);
    await this.#disk.syncDirectory(this.path);
    this.#folders.delete(directory.value);
    // with those that a crash has left behind
    for (const each of await this.#disk.list(this.path)) {
      if (each.startsWith(DOOMED)) await this.#disk.removeTree(`${this.path}/${each}`);
    }
    return ok(true);
  }

  /** Renames a mailbox and its children, also when there are only children. Not for INBOX. */
  async rename(from: string, to: string): Promise<Result<true, Refusal>> {
    const [old, wanted] = [directoryOf(from), directoryOf(to)];
    if (!old.ok) return refuse("impossible", old.error);
    if (!wanted.ok) return refuse("impossible", wanted.error);
    if (wanted.value === "") return EXISTS;
    const all = await this.#disk.list(this.path);
    const moved = all.filter((each) => each === old.value || each.startsWith(`${old.value}.`));
    if (moved.length === 0 || old.value === "") return MISSING;
    const next = moved.map((each) => wanted.value + each.slice(old.value.length));
    if (next.some((each) => all.includes(each))) return EXISTS;
    if (next.some((each) => each.length > LONGEST))
      return refuse("impossible", "the mailbox name is too long");
    for (const [at, directory] of moved.entries()) {
      await this.#disk.rename(this.#pathOf(directory), this.#pathOf(next[at] ?? ""));
      this.#folders.delete(directory);
    }
    await this.#disk.syncDirectory(this.path);
    return ok(true);
  }

  /** Subscribed names, in Unicode. The file has a directory's name a line, without its first dot, as Dovecot writes it. */
  async subscriptions(): Promise<readonly string[]> {
    const text = (await readWhole(this.#disk, `${this.path}/${SUBSCRIPTIONS}`, 4 << 20))?.toString("utf8");
    const lines = (text ?? "").split("\n");
    // Dovecot's second format has tabs between the parts
    const names = lines[0] === "V\t2" ? lines.slice(1).map((line) => line.replaceAll("\t", ".")) : lines;
    return names.flatMap((line) => (line === "INBOX" ? line : (nameOf(`.${line}`) ?? [])));
  }

  /** A name that is not there may be subscribed (RFC 9051 §6.3.7), but not one that cannot be. */
  async subscribe(name: string, wanted: boolean): Promise<Result<true, Refusal>> {
    const directory = directoryOf(name);
    if (!directory.ok) return refuse("impossible", directory.error);
    const known = canonicalName(name);
    const others = (await this.subscriptions()).filter((each) => each !== known);
    if (wanted && others.length >= MOST_FOLDERS)
      return refuse("impossible", "there are too many subscriptions");
    const lines = (wanted ? [...others, known] : others).map((each) => {
      const place = directoryOf(each);
      return `${place.ok && place.value !== "" ? place.value.slice(1) : "INBOX"}\n`;
    });
    await replaceSynced(this.#disk, `${this.path}/${SUBSCRIPTIONS}`, Buffer.from(lines.join("")));
    return ok(true);
  }
}
