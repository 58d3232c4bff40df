// Forward: a message that goes on from one of its recipients to other addresses: as a new one, whose record says too that this recipient is
// done with (docs/queue.md F1–F4, Q14). So a crash makes neither two of it nor none.

import path from "node:path";
import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { messageOf } from "#base/problem.ts";
import type { Logger } from "#log/logger.ts";
import { BodyDraft, type DraftMemory } from "#store/spool/draft.ts";
import type { Journal } from "#store/spool/journal.ts";
import { bodyPath, openBody } from "#store/spool/source.ts";
import type { Head, RecipientState } from "#store/spool/state.ts";
import type { Disk } from "#sys/disk.ts";
import { beyondAscii, type Envelope, type Letter, type Outcome, type Recipient } from "#wire/envelope.ts";
import { senderFor } from "#wire/verp.ts";
import { type Attempt, DOUBLE } from "./dispatch.ts";
import { type Entries, type Entry, progressOf, type RecipientEntry, type Task } from "./entries.ts";

export interface ForwardOptions {
  readonly clock: Clock;
  readonly disk: Disk;
  /** The spool directory. */
  readonly spool: string;
  readonly journal: Journal;
  readonly entries: Entries;
  readonly log: Logger;
  /** An id for mail of our own. */
  readonly id: () => string;
  /** Takes a task until it is due. */
  readonly submit: (task: Task) => void;
}

type Forwarded = Extract<Outcome, { kind: "forwarded" }>;

/**
 * What its sender is to hear of a recipient from which the message goes on (RFC 3461 §5.2.7): one other address is told of everything and reports itself; with several
 * of them success means that it was passed on; and where a list answers for the rest, it has arrived.
 */
export function stateBehind({ sender, recipients }: Letter): RecipientState {
  if (sender !== undefined) return "delivered";
  return recipients.length === 1 ? "handed" : "expanded";
}

export class Forward {
  readonly #options: ForwardOptions;
  readonly #memory: DraftMemory = { held: 0 };

  constructor(options: ForwardOptions) {
    this.#options = options;
  }

  /** An attempt with what is to go on from it durably in the queue; what cannot be is deferred. Never rejects. */
  pass(task: Task, attempt: Attempt): Attempt | Promise<Attempt> {
    for (const { kind } of attempt.outcomes.values())
      if (kind === "forwarded") return this.#all(task, attempt);
    return attempt;
  }

  async #all(task: Task, attempt: Attempt): Promise<Attempt> {
    const outcomes = new Map<number, Outcome>();
    for (const [index, outcome] of attempt.outcomes) {
      const recipient = task.waiting.includes(index) ? task.entry.recipients[index] : undefined;
      if (outcome.kind !== "forwarded") outcomes.set(index, outcome);
      else if (recipient) outcomes.set(index, await this.#one(task.entry, index, { attempt, outcome }));
    }
    return { ...attempt, outcomes };
  }

  async #one(
    entry: Entry,
    index: number,
    { attempt, outcome }: { readonly attempt: Attempt; readonly outcome: Forwarded },
  ): Promise<Outcome> {
    const { log } = this.#options;
    const mayGo = attempt.local && !entry.envelope.rejected;
    const wrong = mayGo ? faultOf(outcome.letter) : "only local has letters, of mail that was accepted";
    try {
      if (wrong === undefined) {
        await this.#send(entry, index, outcome);
        return outcome;
      }
      log.event("trouble", { id: entry.id, text: `A letter cannot go on: ${wrong}` });
    } catch (thrown) {
      log.event("trouble", { id: entry.id, text: messageOf(thrown) });
    }
    return { kind: "deferred", why: { code: "4.3.0", text: "The message cannot go on from here now" } };
  }

  /** F2, F3 */
  async #send(entry: Entry, index: number, { letter, by }: Forwarded): Promise<void> {
    const { clock, journal, entries, log, submit, disk, spool } = this.#options;
    const recipient = entry.recipients[index];
    if (!recipient) return;
    const id = this.#options.id();
    const { inline, ...body } = await this.#body(entry, id, letter.prefix);
    // an administrator has removed it meanwhile (Q13)
    if (!entries.has(entry.id)) {
      if (body.file) await disk.remove(bodyPath(spool, id));
      return;
    }
    const text = by.slice(0, limits.queue.statusText);
    const head: Head = {
      id,
      arrived: clock.now(),
      envelope: envelopeOf(entry, recipient, letter),
      ...body,
      passes: {
        id: entry.id,
        recipient: {
          ...progressOf(entry, index, 0),
          state: stateBehind(letter),
          attempts: recipient.attempts + 1,
          code: "2.0.0",
          text,
        },
      },
    };
    const kept = await journal.insist(head, inline, "now");
    const count = letter.recipients.length;
    log.event("queue_forward", { id: entry.id, to: recipient.address, forward: id, recipients: count });
    for (const task of entries.add(head, kept).tasks) submit(task);
  }

  /** The bytes of the new message: those of the old one behind the letter's lines; a body file gets a second name rather than a copy. */
  async #body(entry: Entry, id: string, prefix: string): Promise<Body> {
    const { disk, spool } = this.#options;
    const { place } = entry.kept;
    if (place.kind === "file") {
      const front = prefix + (place.front ?? "");
      const size = place.size + Buffer.byteLength(prefix);
      const fits = Buffer.byteLength(front) <= limits.queue.front;
      if (fits && (await this.#link(place.name, id))) return { size, file: true, front, inline: [] };
    }
    const draft = new BodyDraft({ disk, directory: spool }, id, this.#memory);
    const source = await openBody(disk, spool, place);
    try {
      await draft.write(Buffer.from(prefix));
      for await (const chunk of source.chunks()) await draft.write(chunk);
      const { size, inline } = await draft.finish();
      return { size, file: inline === undefined, inline: inline ?? [] };
    } catch (thrown) {
      draft.abort();
      throw thrown;
    } finally {
      await source.close();
    }
  }

  /** Q2 for a second name; false: this file system has none (or no more) of them. */
  async #link(name: string, id: string): Promise<boolean> {
    const { disk, spool } = this.#options;
    const at = bodyPath(spool, id);
    try {
      await disk.link(bodyPath(spool, name), at);
    } catch {
      // a copy tells what is wrong, if anything is
      return false;
    }
    try {
      await disk.syncDirectory(path.dirname(at));
      return true;
    } catch (thrown) {
      // one that stays is an orphan, which the next recovery removes (R4)
      await disk.remove(at).catch(() => false);
      throw thrown;
    }
  }
}

interface Body {
  readonly size: number;
  readonly file: boolean;
  readonly front?: string;
  readonly inline: readonly Buffer[];
}

/** Local is trusted with the mail that it delivers, but not to write commands or fields that nobody meant. */
const CONTROL = /[\x00-\x1f\x7f]/;
const LINES = /^(?:[^\x00\r\n]+\r\n)*$/;

function faultOf({ sender = "", recipients, prefix }: Letter): string | undefined {
  if (recipients.length === 0) return "it has no recipients";
  if (CONTROL.test(sender) || recipients.some((each) => CONTROL.test(each)))
    return "an address holds control characters";
  const isBounded = Buffer.byteLength(prefix) <= limits.queue.front && LINES.test(prefix);
  return isBounded ? undefined : "what goes in front is no lines";
}

/** The envelope with which the message goes on (RFC 3461 §5.2.7; RFC 2852 §4 and RFC 8689 §4.2 for what else is handed on). */
function envelopeOf(
  { envelope }: Entry,
  recipient: RecipientEntry,
  { sender, recipients, prefix }: Letter,
): Envelope {
  const { body, requireTls, priority, ret, envid, deliverBy } = envelope;
  const utf8 = envelope.utf8 || [sender ?? "", prefix, ...recipients].some(beyondAscii);
  const common = {
    body: body === "7bit" && beyondAscii(prefix) ? "8bitmime" : body,
    submitted: false,
    ...(utf8 ? { utf8 } : {}),
    ...(requireTls ? { requireTls } : {}),
    ...(priority === undefined ? {} : { priority }),
  } as const;
  // a list is a sender of its own, and nobody's wishes but its owner's count from here on
  if (sender !== undefined)
    return { ...common, sender, recipients: recipients.map((address) => ({ address })) };
  const wishes = wishesOf(recipient, recipients.length);
  return {
    ...common,
    sender: envelope.sender === DOUBLE ? DOUBLE : senderFor(envelope.sender, recipient.address),
    ...(ret === undefined ? {} : { ret }),
    ...(envid === undefined ? {} : { envid }),
    ...(deliverBy === undefined ? {} : { deliverBy }),
    recipients: recipients.map((address) => ({ address, ...wishes })),
  };
}

/** What was asked for a recipient, for each of those that stand for it now. Who hears that it went to several does not hear of each success too. */
function wishesOf({ address, notify, original }: RecipientEntry, count: number): Omit<Recipient, "address"> {
  const rest = count === 1 ? notify : notify?.filter((each) => each !== "success");
  return {
    original: original ?? `${beyondAscii(address) ? "utf-8" : "rfc822"};${address}`,
    ...(rest === undefined ? {} : { notify: rest }),
  };
}
