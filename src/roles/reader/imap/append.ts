// APPEND: the literal streams into a file in tmp/; OK only after the message is durable (RFC 9051 §6.3.12).

import { randomBytes } from "node:crypto";
import { limits } from "#base/limits.ts";
import type { Folder } from "#store/maildir/folder.ts";
import { newBase } from "#store/maildir/names.ts";
import { createAnew, type DiskFile } from "#sys/disk.ts";
import type { Arguments } from "#wire/imap/lexer.ts";
import { parseInternalDate } from "#wire/imap/response.ts";
import { ToUnix } from "#wire/message/unix.ts";
import { no, ok, type Session, type Tagged } from "./state.ts";
import { readFlags, readMailbox } from "./store.ts";

export interface AppendHead {
  readonly mailbox: string;
  readonly flags: string;
  /** ms since 1970; undefined: now. */
  readonly date: number | undefined;
}

/** What stands before the literal. Fails when the literal is not the message's (but a mailbox name, say). */
export function readAppendHead(args: Arguments): AppendHead {
  args.space();
  const mailbox = readMailbox(args);
  args.space();
  let flags = "";
  if (args.peek() === "(") {
    flags = readFlags(args);
    args.space();
  }
  let date: number | undefined;
  if (args.peek() === '"') {
    date = parseInternalDate(args.string());
    if (date === undefined) args.fail("the date is not valid");
    args.space();
  }
  // only the literal may follow
  args.end();
  return { mailbox, flags, date };
}

/** One APPEND under way. */
export class Appending {
  readonly #session: Session;
  readonly #head: AppendHead;
  readonly #folder: Folder;
  readonly #tmp: string;
  readonly #file: DiskFile;
  readonly #codec = new ToUnix();
  #fileSize = 0;
  #wireSize = 0;

  private constructor(
    session: Session,
    head: AppendHead,
    where: { folder: Folder; tmp: string; file: DiskFile },
  ) {
    this.#session = session;
    this.#head = head;
    this.#folder = where.folder;
    this.#tmp = where.tmp;
    this.#file = where.file;
  }

  /** An open file to stream into, or why there is none. */
  static async begin(session: Session, head: AppendHead, size: number): Promise<Appending | Tagged> {
    if (size === 0) return no("[CANNOT] An empty message is not stored");
    if (size > limits.imap.appendSize) return no("[TOOBIG] The message is too large");
    const folder = await session.tree.open(head.mailbox);
    if (!folder) return no("[TRYCREATE] There is no such mailbox");
    const tmp = `${folder.path}/tmp/append.${randomBytes(12).toString("hex")}`;
    return new Appending(session, head, { folder, tmp, file: await createAnew(session.disk, tmp, 0o600) });
  }

  async write(chunk: Buffer): Promise<void> {
    this.#wireSize += chunk.length;
    await this.#put(this.#codec.feed(chunk));
  }

  async #put(bytes: Buffer): Promise<void> {
    if (bytes.length === 0) return;
    const at = this.#fileSize;
    this.#fileSize += bytes.length;
    await this.#file.write([bytes], at);
  }

  /** Durable, and a message of its mailbox, when it resolves. Trouble: nothing is left of it, unless a sync failed at the end. */
  async commit(): Promise<Tagged> {
    try {
      await this.#put(this.#codec.end());
      await this.#file.sync();
    } catch (trouble) {
      await this.abort();
      throw trouble;
    }
    await this.#file.close();
    const ms = this.#head.date ?? this.#session.clock.now();
    const base = newBase(ms, this.#session.host, {
      sizes: { file: this.#fileSize, wire: this.#wireSize },
    });
    const file = { tmp: this.#tmp, base, flags: this.#head.flags };
    const uids = await this.#folder.adopt([file]).catch(async (trouble: unknown) => {
      await this.#session.disk.remove(this.#tmp);
      throw trouble;
    });
    // RFC 4315 §3
    return ok(`[APPENDUID ${this.#folder.validity} ${uids[0] ?? 0}] Stored`);
  }

  async abort(): Promise<void> {
    await this.#file.close();
    await this.#session.disk.remove(this.#tmp);
  }
}
