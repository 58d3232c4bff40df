// Local: one delivery after the other from the queue into Maildirs (docs/local.md). Where an address's mail goes, auth says.

import type { Clock } from "#base/clock.ts";
import { codeOf, messageOf } from "#base/problem.ts";
import type { Logger } from "#log/logger.ts";
import { fileHost, type LetterBody, Mailbox } from "#store/maildir/deliver.ts";
import type { Disk } from "#sys/disk.ts";
import type { Delivered, Delivery } from "#talk/deliver.ts";
import type { MailboxAnswer } from "#talk/lookup.ts";
import { Remembered } from "#talk/remembered.ts";
import type { Outcome } from "#wire/envelope.ts";
import { examine, recodeBody } from "#wire/message/binary.ts";
import { harmlessAddress } from "#wire/smtp/request.ts";
import type { RejectsKeeper } from "./rejects.ts";

/** Mailboxes whose record of recent deliveries stays open. */
const OPEN_MAILBOXES = 500;
/** How long auth's answer for an address is believed. */
const WHERE_LIFE = 3000;
const WHERE_ENTRIES = 10_000;

export interface SpoolBody extends LetterBody {
  close(): Promise<void>;
}

export interface LocalOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Logger;
  readonly hostname: string;
  /** The body of a message; Trouble when it cannot be read. */
  readonly openBody: (place: Delivery["place"]) => Promise<SpoolBody>;
  /** For messages that were refused. */
  readonly rejects: Pick<RejectsKeeper, "keep" | "came">;
  /** Trouble when auth is away. */
  readonly whereTo: (address: string) => Promise<MailboxAnswer>;
}

type Recipient = Delivery["recipients"][number];

export class Local {
  readonly #options: LocalOptions;
  readonly #mailboxes = new Map<string, Mailbox>();
  readonly #where: Remembered<MailboxAnswer>;
  #host: string;

  constructor(options: LocalOptions) {
    this.#options = options;
    this.#host = fileHost(options.hostname);
    this.#where = new Remembered({
      clock: options.clock,
      life: WHERE_LIFE,
      entries: WHERE_ENTRIES,
      ask: options.whereTo,
      fleeting: ({ kind }) => kind === "unknown",
    });
  }

  set hostname(name: string) {
    this.#host = fileHost(name);
  }

  /** An outcome for each recipient; never rejects. */
  async deliver(delivery: Delivery): Promise<Delivered> {
    const { id, recipients } = delivery;
    let body: SpoolBody | undefined;
    try {
      body = await this.#options.openBody(delivery.place);
      return { outcomes: await this.#each(delivery, await safeBody(delivery, body)) };
    } catch (thrown) {
      this.#options.log.event("trouble", { id, text: messageOf(thrown) });
      const outcome = deferred("4.3.0", "The message cannot be read from the spool now");
      return { outcomes: recipients.map(({ index }) => ({ index, outcome })) };
    } finally {
      await body?.close().catch(() => {
        // it was only read from
      });
    }
  }

  /** Some at a time: a message for thousands shall not open thousands of files at once. */
  async #each(delivery: Delivery, body: LetterBody): Promise<Delivered["outcomes"]> {
    const outcomes: Delivered["outcomes"][number][] = [];
    let next = 0;
    const work = async () => {
      for (let one = delivery.recipients[next++]; one; one = delivery.recipients[next++]) {
        outcomes.push({ index: one.index, outcome: await this.#one(delivery, one, body) });
      }
    };
    await Promise.all(
      Array.from({ length: Math.min(RECIPIENTS_AT_A_TIME, delivery.recipients.length) }, work),
    );
    return outcomes;
  }

  async #one(delivery: Delivery, { index, address }: Recipient, body: LetterBody): Promise<Outcome> {
    const { log, clock } = this.#options;
    const { id } = delivery;
    let answer: MailboxAnswer;
    try {
      answer = await this.#where.get(address);
    } catch (thrown) {
      log.event("trouble", { id, to: address, text: messageOf(thrown) });
      return deferred("4.3.0", "The directory of users cannot be asked now");
    }
    // the only thing that is final: auth said so
    if (answer.kind === "unknown") return failed("5.1.1", `There is no user <${address}> here`);
    try {
      const head = headOf(delivery.sender, address);
      if (delivery.rejected) {
        const refused = { id, address, arrived: delivery.arrived, head, body };
        return { kind: "delivered", by: await this.#options.rejects.keep(answer.maildir, refused) };
      }
      const base = `${Math.floor(delivery.arrived / 1000)}.${fileHost(id)}.${index}.${this.#host}`;
      const letter = { base, head, body };
      const dropped = await this.#mailbox(answer.maildir).deliver(letter, delivery.again, clock.now());
      log.event("local_delivered", {
        id,
        to: address,
        file: dropped.file,
        again: dropped.again || undefined,
      });
      await this.#options.rejects.came(answer.maildir, { id, address }, body);
      return { kind: "delivered", by: dropped.again ? "in the mailbox (already there)" : "in the mailbox" };
    } catch (thrown) {
      log.event("trouble", { id, to: address, text: messageOf(thrown) });
      return noRoom.has(codeOf(thrown) ?? "")
        ? deferred("4.3.1", "There is no room for the message now")
        : deferred("4.3.0", "The mailbox cannot be used now");
    }
  }

  /** The mailboxes used last stay at hand; the order of a Map is the order of use. */
  #mailbox(maildir: string): Mailbox {
    const found = this.#mailboxes.get(maildir) ?? new Mailbox(this.#options.disk, maildir);
    this.#mailboxes.delete(maildir);
    this.#mailboxes.set(maildir, found);
    if (this.#mailboxes.size > OPEN_MAILBOXES) this.#forgetOldest(found);
    return found;
  }

  #forgetOldest(wanted: Mailbox): void {
    for (const [maildir, mailbox] of this.#mailboxes) {
      if (mailbox.busy || mailbox === wanted) continue;
      this.#mailboxes.delete(maildir);
      return void mailbox.close();
    }
  }
}

/**
 * The body as a Maildir can keep it. Its files hold lines, so bytes that are none (RFC 3030 §3) would come back as others: binary parts are
 * encoded, always in the same way, so that the file has the same name in every attempt. Rejects when the body cannot be read.
 */
async function safeBody(delivery: Delivery, body: LetterBody): Promise<LetterBody> {
  if (delivery.body !== "binarymime") return body;
  return recodeBody(body, await examine(body.chunks()), "8bit");
}

const RECIPIENTS_AT_A_TIME = 50;

const noRoom: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT"]);

/** RFC 5321 §4.4: the final delivery records the reverse path. Delivered-To as qmail and Postfix write it. */
function headOf(sender: string, recipient: string): Buffer {
  const to = recipient.replaceAll(/[\x00-\x1f\x7f]/g, "_");
  return Buffer.from(`Return-Path: <${harmlessAddress(sender)}>\nDelivered-To: ${to}\n`);
}

const deferred = (code: string, text: string): Outcome => ({ kind: "deferred", why: { code, text } });
const failed = (code: string, text: string): Outcome => ({ kind: "failed", why: { code, text } });
