// Rejects: the folder of a mailbox that holds messages which were refused and may have been wanted all the same. Bounded: the oldest go first.
// The name of a file says which message it is, `<arrived, seconds>.R<identity>.<host>`, so that no message is kept twice and one that comes
// through later can be taken out.

import type { Disk } from "#sys/disk.ts";
import { IDENTITY } from "#wire/message/identity.ts";
import { type LetterBody, Mailbox } from "./deliver.ts";
import { Tree } from "./tree.ts";

/** As people see it, and as it is called in the Maildir. */
const NAMED = "Rejects";
export const REJECTS = `.${NAMED}`;

/** What is kept in one mailbox. */
export interface RejectsBounds {
  /** ms; 0: nothing. */
  readonly time: number;
  readonly messages: number;
  /** Bytes of all of them. */
  readonly size: number;
}

export interface Rejected {
  /** See identityOf(). */
  readonly identity: string;
  /** ms since 1970. */
  readonly arrived: number;
  readonly head: Buffer;
  readonly body: LetterBody;
}

interface Kept {
  readonly identity: string;
  readonly path: string;
  readonly arrived: number;
  readonly size: number;
}

const NAME = new RegExp(`^(\\d{1,11})\\.R([\\w-]{${IDENTITY}})\\.[^,:]*,S=(\\d{1,15})(?:[,:]|$)`);

export interface RejectsOptions {
  readonly disk: Disk;
  /** The Maildir that has the folder, or will have it. */
  readonly maildir: string;
  /** Our name in names of files. */
  readonly host: string;
}

export class Rejects {
  readonly #disk: Disk;
  readonly #maildir: string;
  readonly #at: string;
  readonly #host: string;
  readonly #mailbox: Mailbox;
  /** True: it is certain that nothing is there. People only take things out. */
  #empty = false;
  /** One thing at a time. */
  #work: Promise<unknown> = Promise.resolve();

  constructor({ disk, maildir, host }: RejectsOptions) {
    this.#disk = disk;
    this.#maildir = maildir;
    this.#at = `${maildir}/${REJECTS}`;
    this.#host = host;
    this.#mailbox = new Mailbox(disk, this.#at);
  }

  /** Durable when it resolves. "there": it was there before; "large": it is more than may be kept. Trouble: it may or may not be there. */
  keep(letter: Rejected, bounds: RejectsBounds, now: number): Promise<"kept" | "there" | "large"> {
    return this.#alone(async () => {
      if (letter.head.length + letter.body.size > bounds.size) return "large";
      const kept = await this.#list();
      if (kept.some(({ identity }) => identity === letter.identity)) return "there";
      const base = `${Math.floor(letter.arrived / 1000)}.R${letter.identity}.${this.#host}`;
      this.#empty = false;
      await this.#announce(now);
      // a delivery that a person has removed since is not made again
      const { again } = await this.#mailbox.deliver(
        { base, head: letter.head, body: letter.body },
        true,
        now,
      );
      await this.#prune(bounds, now);
      return again ? "there" : "kept";
    });
  }

  /** Takes out a message that has come through; whether it was there. */
  forget(identity: string): Promise<boolean> {
    return this.#alone(async () => {
      const found = (await this.#list()).filter((each) => each.identity === identity);
      for (const { path } of found) await this.#disk.remove(path);
      return found.length > 0;
    });
  }

  /** Takes out what is too old or too much. */
  prune(bounds: RejectsBounds, now: number): Promise<void> {
    return this.#alone(() => this.#prune(bounds, now));
  }

  /** Whether there is anything; costs nothing where there is not. */
  async any(): Promise<boolean> {
    return !this.#empty && (await this.#alone(() => this.#list())).length > 0;
  }

  close(): Promise<void> {
    return this.#alone(() => this.#mailbox.close());
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#work.then(work, work);
    this.#work = result.catch(() => {
      // whoever asked for it is told
    });
    return result;
  }

  /** Many clients show only folders that are subscribed. A person who does not want to see it is not asked again. */
  async #announce(now: number): Promise<void> {
    if (await this.#disk.stat(`${this.#at}/cur`)) return;
    await this.#disk.makeDirectory(this.#maildir, 0o700);
    await new Tree(this.#disk, this.#maildir, () => now).subscribe(NAMED, true);
  }

  async #prune({ time, messages, size }: RejectsBounds, now: number): Promise<void> {
    let [count, bytes] = [0, 0];
    for (const each of await this.#list()) {
      count++;
      bytes += each.size;
      if (now - each.arrived > time || count > messages || bytes > size) await this.#disk.remove(each.path);
    }
  }

  /** What we have put there and nobody has taken out, the youngest first. */
  async #list(): Promise<readonly Kept[]> {
    if (this.#empty) return [];
    const kept: Kept[] = [];
    for (const place of ["new", "cur"]) {
      for (const name of await this.#disk.list(`${this.#at}/${place}`)) {
        const [, seconds, identity, size] = NAME.exec(name) ?? [];
        if (identity === undefined) continue;
        const path = `${this.#at}/${place}/${name}`;
        kept.push({ identity, path, arrived: Number(seconds) * 1000, size: Number(size) });
      }
    }
    this.#empty = kept.length === 0;
    return kept.sort((a, b) => b.arrived - a.arrived);
  }
}
