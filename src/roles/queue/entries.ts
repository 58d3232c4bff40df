// Entries: every live message as the queue knows it in memory; bodies stay on disk. A message in which nothing is going on is packed
// (store/spool/shelf.ts): `wake` makes an entry of it, `rest` packs it again.

import { limits } from "#base/limits.ts";
import { Shelf } from "#store/spool/shelf.ts";
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
  /** Nothing happens to it before it is due, or its message is released. */
  resting: boolean;
  /** Attempts that ended because the link was lost, in a row. */
  losses: number;
}

export interface Entry {
  readonly id: string;
  /** Its number while it is in the queue. */
  readonly slot: number;
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
  readonly #shelf: Shelf;
  /** Those that somebody works on, by slot; all others are packed. */
  readonly #awake = new Map<number, Entry>();
  /** Hears of a slot whose message has left the queue. */
  onGone: (slot: number) => void = () => {};

  constructor(shelf = new Shelf()) {
    this.#shelf = shelf;
  }

  get size(): number {
    return this.#shelf.size;
  }

  /** How many are not packed. */
  get awake(): number {
    return this.#awake.size;
  }

  has(id: string): boolean {
    return this.#shelf.slotOf(id) !== undefined;
  }

  /** A message to look at: what is changed in it may be lost; see `wake`. */
  find(id: string): Entry | undefined {
    const slot = this.#shelf.slotOf(id);
    return slot === undefined ? undefined : this.#look(slot);
  }

  /** As `find`, all of them, oldest first; messages may come and go meanwhile. */
  *all(): Generator<Entry> {
    for (const slot of this.#shelf.slots()) {
      const entry = this.#look(slot);
      if (entry) yield entry;
    }
  }

  /** Those of `all` in which all of these words, in small letters, may be written: a quick look that leaves out most. */
  *mentioning(words: readonly string[]): Generator<Entry> {
    for (const slot of this.#shelf.slots()) {
      if (this.#shelf.isPacked(slot) && !this.#shelf.mentions(slot, words)) continue;
      const entry = this.#look(slot);
      if (entry) yield entry;
    }
  }

  /** Ids of the messages whose newest record is in a segment of the journal. */
  inSegment(segment: number): readonly string[] {
    const ids: string[] = [];
    for (const slot of this.#shelf.slots()) {
      const at = this.#awake.get(slot)?.kept.segment ?? this.#shelf.segmentOf(slot);
      if (at === segment) ids.push(this.#shelf.idOf(slot));
    }
    return ids;
  }

  /** A message to work on, until `rest`. */
  wake(which: string | number): Entry | undefined {
    const slot = typeof which === "number" ? which : this.#shelf.slotOf(which);
    if (slot === undefined) return undefined;
    const awake = this.#awake.get(slot);
    if (awake) return awake;
    const stored = this.#shelf.take(slot);
    if (!stored) return undefined;
    const entry = entryOf(slot, stored);
    this.#awake.set(slot, entry);
    return entry;
  }

  /** Whether a copy of its record is being made. */
  isMoving(id: string): boolean {
    const slot = this.#shelf.slotOf(id);
    return slot !== undefined && this.#awake.get(slot)?.moving === true;
  }

  /** Whether this very entry is what the queue works on: neither gone nor packed. */
  isAwake(entry: Entry): boolean {
    return this.#awake.get(entry.slot) === entry;
  }

  /** Packs a message in which nothing is going on; others stay as they are. Whoever needs it again asks for it again. */
  rest(entry: Entry): void {
    const { tasks, readers, moving, doomed, kept, warned, held } = entry;
    if (!this.isAwake(entry) || tasks.length === 0 || readers > 0 || moving || doomed) return;
    if (!tasks.every(({ resting, losses }) => resting && losses === 0)) return;
    this.#shelf.put(entry.slot, { head: headOf(entry), kept, warned, held }, storedProgress(entry));
    this.#awake.delete(entry.slot);
  }

  remove(entry: Entry): void {
    if (!this.isAwake(entry)) return;
    this.#awake.delete(entry.slot);
    this.#shelf.remove(entry.id);
    this.onGone(entry.slot);
  }

  /** A message that was taken just now; all its tasks are due. */
  add(head: Head, kept: Kept): Entry {
    const slot = this.#shelf.reserve(head.id);
    const entry = newEntry(slot, head, kept);
    entry.tasks = tasksOf(entry, { again: false, due: () => bornAt(entry) });
    this.#awake.set(slot, entry);
    return entry;
  }

  /** A message that comes with what had become of it elsewhere, packed as it is; its slot. */
  adopt(head: Head, kept: Kept): number {
    const slot = this.#shelf.reserve(head.id);
    const { warned = false, held = false, recipients = [] } = head.since ?? {};
    this.#shelf.put(slot, { head, kept, warned, held }, recipients);
    return slot;
  }

  #look(slot: number): Entry | undefined {
    const awake = this.#awake.get(slot);
    if (awake) return awake;
    const stored = this.#shelf.read(slot);
    return stored && entryOf(slot, stored);
  }
}

function newEntry(slot: number, head: Head, kept: Kept): Entry {
  const { recipients, ...envelope } = head.envelope;
  return {
    id: head.id,
    slot,
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
}

/** A message as it was packed, or as recovery found it (R6): all that waits rests. */
function entryOf(slot: number, { head, kept, warned, held, progress }: Stored): Entry {
  const entry = newEntry(slot, head, kept);
  entry.warned = warned;
  entry.held = held;
  for (const [index, { state, attempts, code, text }] of progress) {
    const recipient = entry.recipients[index];
    if (recipient) Object.assign(recipient, { state, attempts, code, text });
  }
  const due = (index: number) => progress.get(index)?.next ?? bornAt(entry);
  entry.tasks = tasksOf(entry, { again: true, due });
  for (const task of entry.tasks) task.resting = true;
  return entry;
}

/** The head of its record, should one be written again. */
export function headOf(entry: Entry): Head {
  const { place } = entry.kept;
  return {
    id: entry.id,
    arrived: entry.arrived,
    envelope: { ...entry.envelope, recipients: entry.recipients.map(recipientOf) },
    size: entry.size,
    file: place.kind === "file",
    ...(place.kind === "file" && place.front !== undefined ? { front: place.front } : {}),
  };
}

/** What is to be known of its recipients beside the head; those that are missing are as on the first day. */
export function storedProgress(entry: Entry): readonly Progress[] {
  const due = new Map(entry.tasks.flatMap((task) => task.waiting.map((index) => [index, task.due] as const)));
  const born = bornAt(entry);
  return entry.recipients.flatMap(({ attempts, state }, index) => {
    const next = due.get(index) ?? 0;
    return attempts > 0 || state !== "waiting" || next !== born ? [progressOf(entry, index, next)] : [];
  });
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
      tasks.push({ entry, domain, waiting, due: first, again, flying: false, resting: false, losses: 0 });
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
