// local: puts messages into Maildirs for the queue (docs/local.md). It only reads the spool; where an address's mail goes, auth says.

import { codeOf, messageOf } from "#base/problem.ts";
import { fileHost, Mailbox } from "#store/maildir/deliver.ts";
import { type BodySource, openBody } from "#store/spool/source.ts";
import { realDisk } from "#sys/disk.ts";
import { answerVerbs, on } from "#talk/answerer.ts";
import { Caller } from "#talk/caller.ts";
import { type Delivered, type Delivery, deliver } from "#talk/deliver.ts";
import { type MailboxAnswer, whereTo } from "#talk/lookup.ts";
import type { Outcome } from "#wire/envelope.ts";
import type { RoleContext, Running } from "../boot.ts";

/** Mailboxes whose record of recent deliveries stays open. */
const OPEN_MAILBOXES = 500;
/** How long auth's answer for an address is believed. */
const WHERE_LIFE = 3000;

interface Where {
  readonly answer: MailboxAnswer;
  readonly until: number;
}

class Local {
  readonly #context: RoleContext<"local">;
  readonly #auth: Caller;
  readonly #mailboxes = new Map<string, Mailbox>();
  readonly #where = new Map<string, Where>();
  #host: string;

  constructor(context: RoleContext<"local">) {
    this.#context = context;
    this.#auth = new Caller({ path: context.socketOf("auth"), clock: context.clock });
    this.#host = fileHost(context.slice.hostname);
  }

  set hostname(name: string) {
    this.#host = fileHost(name);
  }

  async deliver(delivery: Delivery): Promise<Delivered> {
    let body: BodySource | undefined;
    try {
      const opened = await openBody(realDisk, "spool", delivery.place);
      body = opened;
      const outcomes = await Promise.all(
        delivery.recipients.map(async ({ index, address }) => ({
          index,
          outcome: await this.#one(delivery, { index, address }, opened),
        })),
      );
      return { outcomes };
    } catch (thrown) {
      this.#context.log.event("trouble", { id: delivery.id, text: messageOf(thrown) });
      const outcome = deferred("4.3.0", "The message cannot be read from the spool now");
      return { outcomes: delivery.recipients.map(({ index }) => ({ index, outcome })) };
    } finally {
      await body?.close();
    }
  }

  async #one(
    delivery: Delivery,
    { index, address }: { readonly index: number; readonly address: string },
    body: BodySource,
  ): Promise<Outcome> {
    const { log, clock } = this.#context;
    try {
      const where = await this.#whereTo(address);
      if (where.kind === "unknown") return failed("5.1.1", `There is no user <${address}> here`);
      const seconds = Math.floor(delivery.arrived / 1000);
      const dropped = await this.#mailbox(where.maildir).deliver(
        {
          base: `${seconds}.${delivery.id}.${index}.${this.#host}`,
          // RFC 5321 §4.4: the final delivery records the reverse path
          head: Buffer.from(`Return-Path: <${delivery.sender}>\nDelivered-To: ${address}\n`),
          body,
        },
        delivery.again,
        clock.now(),
      );
      log.event("local_delivered", {
        id: delivery.id,
        to: address,
        file: dropped.file,
        again: dropped.again || undefined,
      });
      return { kind: "delivered", by: dropped.again ? "in the mailbox (already there)" : "in the mailbox" };
    } catch (thrown) {
      log.event("trouble", { id: delivery.id, to: address, text: messageOf(thrown) });
      const full = codeOf(thrown) === "ENOSPC" || codeOf(thrown) === "EDQUOT";
      return full
        ? deferred("4.3.1", "There is no room for the message now")
        : deferred("4.3.0", "The mailbox cannot be used now");
    }
  }

  async #whereTo(address: string): Promise<MailboxAnswer> {
    const now = this.#context.clock.monotonic();
    const known = this.#where.get(address);
    if (known && known.until > now) return known.answer;
    const answer = await this.#auth.ask(whereTo, { address });
    // bounded by forgetting everything: the next answers are as cheap as the first ones
    if (this.#where.size >= 10_000) this.#where.clear();
    this.#where.set(address, { answer, until: now + WHERE_LIFE });
    return answer;
  }

  /** The mailboxes used last stay at hand; the order of a Map is the order of use. */
  #mailbox(maildir: string): Mailbox {
    const found = this.#mailboxes.get(maildir) ?? new Mailbox(realDisk, maildir);
    this.#mailboxes.delete(maildir);
    this.#mailboxes.set(maildir, found);
    if (this.#mailboxes.size > OPEN_MAILBOXES) this.#forgetOldest();
    return found;
  }

  #forgetOldest(): void {
    for (const [maildir, mailbox] of this.#mailboxes) {
      if (mailbox.busy) continue;
      this.#mailboxes.delete(maildir);
      return void mailbox.close();
    }
  }
}

const deferred = (code: string, text: string): Outcome => ({ kind: "deferred", why: { code, text } });
const failed = (code: string, text: string): Outcome => ({ kind: "failed", why: { code, text } });

export async function start(context: RoleContext<"local">): Promise<Running<"local">> {
  const local = new Local(context);
  const running = new Set<Promise<unknown>>();
  const answering = await answerVerbs(
    context.answers("queue"),
    [
      on(deliver, (delivery) => {
        const work = local.deliver(delivery);
        running.add(work);
        return work.finally(() => running.delete(work));
      }),
    ],
    { trouble: (text) => context.log.event("peer_garbage", { text }) },
  );
  context.log.event("ready");
  return {
    reload: (slice) => {
      local.hostname = slice.hostname;
    },
    stop: async () => {
      answering.close();
      await Promise.allSettled(running);
    },
  };
}
