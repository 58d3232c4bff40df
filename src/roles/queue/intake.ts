// Intake: messages from smtpd into the journal; the answer is given when they are durable (docs/queue.md I1–I6).

import type { Clock } from "#base/clock.ts";
import { codeOf, Trouble } from "#base/problem.ts";
import type { Logger } from "#log/logger.ts";
import { BodyDraft, type DraftMemory } from "#store/spool/draft.ts";
import type { Journal } from "#store/spool/journal.ts";
import { bodyPath } from "#store/spool/source.ts";
import type { Head } from "#store/spool/state.ts";
import type { Disk } from "#sys/disk.ts";
import type { Draft, InjectHead, InjectResult, Intake } from "#talk/inject.ts";
import type { Envelope } from "#wire/envelope.ts";
import { withoutPercent } from "#wire/qmail/hosts.ts";
import type { Entries, Entry } from "./entries.ts";
import type { Room } from "./room.ts";

export interface IntakeOptions {
  readonly clock: Clock;
  readonly disk: Disk;
  /** The spool directory. */
  readonly spool: string;
  readonly journal: Journal;
  readonly entries: Entries;
  readonly room: Room;
  readonly log: Logger;
  readonly prefix: () => string;
  readonly taken: (entry: Entry) => void;
  /** Domains of which user%host@domain is user@host; none. */
  readonly percentHack?: () => readonly string[];
}

export interface QueueIntake extends Intake {
  /** As `begin`, for a file of the drop directory: no delivery begins before `gone`, which must not reject, has told that the file is (docs/drop.md D3). */
  beginDropped(head: InjectHead, gone: () => Promise<boolean>): Draft | InjectResult;
  /** Refuses everything from now on. */
  stop(): void;
}

const refusal = (reason: "full" | "later" | "never", text: string): InjectResult => ({
  kind: "refused",
  reason,
  text,
});

/** What the sender is told of the world's failure; the rest is for the log. */
function refusalOf(trouble: Trouble): InjectResult {
  switch (trouble.code) {
    case "ENOSPC":
    case "EDQUOT":
      return refusal("full", "No room for mail now");
    case "EFBIG":
      return refusal("never", "Too many recipients at once");
    default:
      return refusal("later", "Cannot keep mail now");
  }
}

export function openIntake(options: IntakeOptions): QueueIntake {
  const memory: DraftMemory = { held: 0 };
  const drafts = new Set<string>();
  let stopped = false;
  const begin = (head: InjectHead, gone?: () => Promise<boolean>) => {
    const refused = stopped ? refusal("later", "The server is stopping") : refuseHead(head, options, drafts);
    if (!refused) return new QueueDraft(rewritten(head, options), options, { memory, drafts, gone });
    options.log.event("queue_refused", { id: head.id, reason: "text" in refused ? refused.text : "" });
    return refused;
  };
  return {
    prefix: options.prefix,
    trouble: (message) => options.log.event("peer_garbage", { text: message }),
    begin: (head) => begin(head),
    beginDropped: begin,
    stop: () => {
      stopped = true;
    },
  };
}

/** smtpd lets none of them through; if it is not itself any more, its addresses still start no command, field or line of their own. */
const CONTROL = /[\x00-\x1f\x7f]/;

/** I1 */
function refuseHead(
  head: InjectHead,
  { entries, room }: IntakeOptions,
  drafts: ReadonlySet<string>,
): InjectResult | undefined {
  const { sender, recipients } = head.envelope;
  if (recipients.length === 0) return refusal("never", "No recipients");
  if (CONTROL.test(sender) || recipients.some(({ address }) => CONTROL.test(address)))
    return refusal("never", "An address holds control characters");
  if (entries.has(head.id) || drafts.has(head.id)) return refusal("never", "This id is in use");
  return room.full ? refusal("full", "No room for mail now") : undefined;
}

/** The head with the recipients that are meant; what is reported names those that were given. */
function rewritten(head: InjectHead, { percentHack = () => [] }: IntakeOptions): InjectHead {
  const domains = new Set(percentHack());
  if (domains.size === 0) return head;
  const recipients = head.envelope.recipients.map((each) => {
    const address = withoutPercent(each.address, domains);
    return address === each.address ? each : { original: `rfc822;${each.address}`, ...each, address };
  });
  return { ...head, envelope: { ...head.envelope, recipients } };
}

interface Shared {
  readonly memory: DraftMemory;
  /** Ids of drafts: their bodies may have files already. */
  readonly drafts: Set<string>;
  /** Waits until nobody will find the message a second time; false: it must not be tried in this life. */
  readonly gone?: (() => Promise<boolean>) | undefined;
}

class QueueDraft implements Draft {
  readonly #head: InjectHead;
  readonly #options: IntakeOptions;
  readonly #body: BodyDraft;
  readonly #drafts: Set<string>;
  readonly #gone: Shared["gone"];

  constructor(head: InjectHead, options: IntakeOptions, { memory, drafts, gone }: Shared) {
    this.#head = head;
    this.#options = options;
    this.#drafts = drafts;
    this.#gone = gone;
    this.#body = new BodyDraft({ disk: options.disk, directory: options.spool }, head.id, memory);
    drafts.add(head.id);
  }

  write(chunk: Buffer): Promise<void> | undefined {
    // a large body must not use up what was free when it began
    if (this.#options.room.full) this.#body.fail(new Trouble("keep body", "Disk full", { code: "ENOSPC" }));
    return this.#body.write(chunk);
  }

  async commit(fields: string, rejected = false): Promise<InjectResult> {
    const { journal, clock, entries, log, taken } = this.#options;
    const { id } = this.#head;
    const envelope = rejected ? rejectedOf(this.#head.envelope) : this.#head.envelope;
    try {
      const { size: rest, inline } = await this.#body.finish();
      const front = Buffer.from(fields);
      const size = front.length + rest;
      const head: Head = {
        id,
        arrived: clock.now(),
        envelope,
        size,
        file: inline === undefined,
        ...(fields !== "" && inline === undefined ? { front: fields } : {}),
      };
      const body = inline && front.length > 0 ? [front, ...inline] : inline;
      const entry = entries.add(head, await journal.add(head, body ?? []));
      log.event("queue_new", {
        id,
        sender: `<${envelope.sender}>`,
        recipients: envelope.recipients.length,
        size,
        rejected: rejected || undefined,
      });
      if (this.#gone === undefined || (await this.#gone())) taken(entry);
      return { kind: "queued", id };
    } catch (thrown) {
      const trouble = Trouble.from("keep message", thrown);
      log.event("queue_refused", { id, reason: trouble.message, code: codeOf(trouble) });
      return refusalOf(trouble);
    } finally {
      this.#drafts.delete(id);
    }
  }

  abort(): void {
    this.#drafts.delete(this.#head.id);
    this.#body.abort();
  }
}

/** The least urgent (RFC 6710). */
const LAST = -9;

/** Of a message that its sender was refused: nobody is told what becomes of it, and all else goes first. */
const rejectedOf = ({ sender, body, utf8, recipients }: Envelope): Envelope => ({
  sender,
  body,
  ...(utf8 ? { utf8 } : {}),
  submitted: false,
  rejected: true,
  priority: LAST,
  recipients: recipients.map(({ address }) => ({ address, notify: [] })),
});

/** Removes the body of a refused message; see JournalEvents.forgotten. */
export function forgetBody(disk: Disk, spool: string, id: string): void {
  disk.remove(bodyPath(spool, id)).catch(() => {
    // an orphan: the next recovery removes it (R4)
  });
}
