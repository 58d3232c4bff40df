// Entries: every live message as the queue knows it in memory; bodies stay on disk.

import { limits } from "#base/limits.ts";
import {
  bornAt,
  type Head,
  type Kept,
  type Progress,
  type RecipientState,
  type Stored,
} from "#store/spool/state.ts";
import { type Envelope, type Recipient, splitAddress } from "#wire/envelope.ts";
import { isVerp } from "#wire/verp.ts";

export interface RecipientEntry extends Recipient {
  state: RecipientState;
  attempts: number;
  code: string;
  text: string;
}

/** Some recipients of one message at one domain: what is tried together. */
export interface Task {
  readonly entry: Entry;
  readonly domain: string;
  /** Indexes of the recipients that still wait. */
  waiting: readonly number[];
  /** ms since 1970. */
  due: number;
  /** Not certainly the first attempt: see talk/deliver.ts. */
  again: boolean;
  flying: boolean;
  /** Attempts that ended because the link was lost, in a row. */
  losses: number;
}

export interface Entry {
  readonly id: string;
  readonly arrived: number;
  readonly envelope: Omit<Envelope, "recipients">;
  readonly recipients: readonly RecipientEntry[];
  readonly size: number;
  kept: Kept;
  /** Its sender was told of the delay. */
  warned: boolean;
  /** No attempt begins until an administrator releases it (docs/queue.md O1). */
  held: boolean;
  /** An administrator has given it up: whom an attempt under way does not reach fails (O4). */
  doomed: boolean;
  /** Those with recipients that wait. */
  tasks: readonly Task[];
  /** A copy of its record is on its way to another segment: it is not delivered meanwhile. */
  moving: boolean;
  /** Deliveries and notices that read its body where it is now: no copy is made meanwhile. */
  readers: number;
}

export class Entries {
  readonly #byId = new Map<string, Entry>();

  get size(): number {
    return this.#byId.size;
  }

  has(id: string): boolean {
    return this.#byId.has(id);
  }

  find(id: string): Entry | undefined {
    return this.#byId.get(id);
  }

  all(): Iterable<Entry> {
    return this.#byId.values();
  }

  remove(entry: Entry): void {
    this.#byId.delete(entry.id);
  }

  /** A message that was taken just now; all its tasks are due. */
  add(head: Head, kept: Kept): Entry {
    const { recipients, ...envelope } = head.envelope;
    const entry: Entry = {
      id: head.id,
      arrived: head.arrived,
      envelope,
      recipients: recipients.map((recipient) => ({
        ...recipient,
        state: "waiting",
        attempts: 0,
        code: "",
        text: "",
      })),
      size: head.size,
      kept,
      warned: false,
      held: false,
      doomed: false,
      tasks: [],
      moving: false,
      readers: 0,
    };
    entry.tasks = tasksOf(entry, { again: false, due: () => bornAt(entry) });
    this.#byId.set(entry.id, entry);
    return entry;
  }

  /** A message that recovery found, as far as it is (R6). */
  restore(stored: Stored): Entry {
    const entry = this.add(stored.head, stored.kept);
    entry.warned = stored.warned;
    entry.held = stored.held;
    for (const [index, progress] of stored.progress) {
      const recipient = entry.recipients[index];
      if (recipient) {
        const { state, attempts, code, text } = progress;
        Object.assign(recipient, { state, attempts, code, text });
      }
    }
    const due = (index: number) => stored.progress.get(index)?.next ?? bornAt(entry);
    entry.tasks = tasksOf(entry, { again: true, due });
    return entry;
  }
}

interface TaskOptions {
  readonly again: boolean;
  readonly due: (index: number) => number;
}

/** What waits in a message with one recipient; shared, and never changed. */
const ONLY = [0];

/** The waiting recipients by domain, at most a hundred in a task; one where each has a sender of its own. */
function tasksOf(entry: Entry, { again, due }: TaskOptions): readonly Task[] {
  const [only] = entry.recipients;
  const byDomain = new Map<string, number[]>();
  if (only && entry.recipients.length === 1) {
    // nearly all mail
    if (only.state === "waiting") byDomain.set(splitAddress(only.address).domain, ONLY);
  } else {
    entry.recipients.forEach((recipient, index) => {
      if (recipient.state !== "waiting") return;
      const { domain } = splitAddress(recipient.address);
      const indexes = byDomain.get(domain);
      if (indexes) indexes.push(index);
      else byDomain.set(domain, [index]);
    });
  }
  const tasks: Task[] = [];
  const most = isVerp(entry.envelope.sender) ? 1 : limits.queue.deliveryRecipients;
  for (const [domain, indexes] of byDomain) {
    for (let at = 0; at < indexes.length; at += most) {
      const waiting = indexes.length <= most ? indexes : indexes.slice(at, at + most);
      const first = waiting.reduce((least, index) => Math.min(least, due(index)), Number.MAX_SAFE_INTEGER);
      tasks.push({ entry, domain, waiting, due: first, again, flying: false, losses: 0 });
    }
  }
  return tasks;
}

/** A recipient as the envelope has it. */
export function recipientOf({ address, notify, original }: RecipientEntry): Recipient {
  return { address, notify, original };
}

/** What the spool is to know of a recipient. */
export function progressOf(entry: Entry, index: number, next: number): Progress {
  const { state, attempts, code, text } = entry.recipients[index] ?? {
    state: "failed",
    attempts: 0,
    code: "",
    text: "",
  };
  return { index, state, attempts, next, code, text };
}
