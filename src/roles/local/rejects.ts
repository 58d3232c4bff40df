// What local does about messages that were refused (docs/rejects.md): they go into the Rejects folders of those they were for, and out again when
// their time is over or the same message has come through.

import { type Clock, repeat, type Timer } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { codeOf, messageOf } from "#base/problem.ts";
import type { Logger } from "#log/logger.ts";
import { fileHost, type LetterBody } from "#store/maildir/deliver.ts";
import { REJECTS, Rejects, type RejectsBounds } from "#store/maildir/rejects.ts";
import type { Disk } from "#sys/disk.ts";
import { headerEnd } from "#wire/message/header.ts";
import { identityOf } from "#wire/message/identity.ts";

export interface RejectsKeeperOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Logger;
  readonly hostname: string;
  readonly bounds: () => RejectsBounds;
  /** The directory of all mailboxes, `<domain>/<local part>/Maildir`. */
  readonly mail: string;
}

export interface Refused {
  readonly id: string;
  readonly address: string;
  readonly arrived: number;
  readonly head: Buffer;
  readonly body: LetterBody;
}

/** Folders that stay at hand. */
const OPEN = 500;

export class RejectsKeeper {
  readonly #options: RejectsKeeperOptions;
  /** By Maildir, the least used first. */
  readonly #folders = new Map<string, Rejects>();
  readonly #sweeping: Timer;
  #closed = false;

  /** From time to time all mailboxes are gone through. */
  constructor(options: RejectsKeeperOptions) {
    this.#options = options;
    const { first, every } = limits.rejects;
    this.#sweeping = repeat(options.clock, { first, every }, () => this.sweep());
  }

  /** Keeps a message that was refused; a sentence about what became of it. Trouble when the disk refuses. */
  async keep(maildir: string, { id, address, arrived, head, body }: Refused): Promise<string> {
    const { bounds, clock, log } = this.#options;
    const identity = identityOf(await headerOf(body));
    // switched off since, or nobody could tell it from others
    if (bounds().time === 0 || identity === undefined) return "not kept";
    const folder = this.#folder(maildir);
    const became = await folder.keep({ identity, arrived, head, body }, bounds(), clock.now());
    log.event("rejects_kept", { id, to: address, became });
    return became === "large" ? "too large to be kept" : "in Rejects";
  }

  /** A message has come through: a copy of it that lies in Rejects goes. Never rejects: the message has arrived, whatever becomes of the copy. */
  async came(
    maildir: string,
    { id, address }: Pick<Refused, "id" | "address">,
    body: LetterBody,
  ): Promise<void> {
    const { bounds, log } = this.#options;
    try {
      if (bounds().time === 0) return;
      const folder = this.#folder(maildir);
      if (!(await folder.any())) return;
      const identity = identityOf(await headerOf(body));
      if (identity !== undefined && (await folder.forget(identity)))
        log.event("rejects_removed", { id, to: address });
    } catch (thrown) {
      log.event("trouble", { id, text: `Cannot look into Rejects: ${messageOf(thrown)}` });
    }
  }

  /** Goes through all mailboxes; what is too old goes. What cannot be used is told and left. Never rejects. */
  async sweep(): Promise<void> {
    const { mail, bounds, clock } = this.#options;
    for (const domain of await this.#list(mail)) {
      for (const local of await this.#list(`${mail}/${domain}`)) {
        if (this.#closed || bounds().time === 0) return;
        const maildir = `${mail}/${domain}/${local}/Maildir`;
        await this.#attempt(async () => {
          const found = await this.#options.disk.stat(`${maildir}/${REJECTS}`);
          if (found?.directory) await this.#folder(maildir).prune(bounds(), clock.now());
        });
      }
    }
  }

  /** The directories in a directory. */
  async #list(at: string): Promise<readonly string[]> {
    const { disk } = this.#options;
    const found: string[] = [];
    await this.#attempt(async () => {
      for (const name of await disk.list(at))
        if ((await disk.stat(`${at}/${name}`))?.directory) found.push(name);
    });
    return found;
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (thrown) {
      // a file where a Maildir would be is somebody else's
      if (codeOf(thrown) === "ENOTDIR") return;
      this.#options.log.event("trouble", { text: `Cannot clear Rejects: ${messageOf(thrown)}` });
    }
  }

  close(): void {
    this.#closed = true;
    this.#sweeping.cancel();
  }

  #folder(maildir: string): Rejects {
    const { disk, hostname } = this.#options;
    const found = this.#folders.get(maildir) ?? new Rejects({ disk, maildir, host: fileHost(hostname) });
    this.#folders.delete(maildir);
    this.#folders.set(maildir, found);
    const [oldest = maildir] = this.#folders.keys();
    if (this.#folders.size > OPEN) {
      // it ends what it is at first
      void this.#folders.get(oldest)?.close();
      this.#folders.delete(oldest);
    }
    return found;
  }
}

/** The header of a message, or its beginning. */
async function headerOf(body: LetterBody): Promise<Buffer> {
  const most = limits.rejects.header;
  const parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of body.whole ? [body.whole] : body.chunks()) {
    parts.push(chunk);
    size += chunk.length;
    if (size >= most) break;
  }
  const start = Buffer.concat(parts).subarray(0, most);
  return start.subarray(0, headerEnd(start));
}
