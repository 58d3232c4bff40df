// Shelf: messages packed into a few hundred bytes each, because there may be a million of them (docs/queue.md §3). A message has a slot
// as long as it is known, whether it is packed or somebody works on it.

import { filePlace } from "./place.ts";
import { bornAt, type Head, type Kept, type Progress, type Stored, states } from "./state.ts";

/** Texts that many messages have in common: statuses, and what is in an envelope beside addresses. */
const SHARED = 10_000;

/** Slots there is room for at first. */
const FIRST_SLOTS = 1024;

/** Not due by itself: nobody waits, or an administrator holds it. */
export const NEVER = Number.POSITIVE_INFINITY;

/** Due when its recipients say so, which is found out when somebody asks. */
const UNKNOWN = Number.NaN;

const WARNED = 1;
const HELD = 2;
/** It has more than one recipient. */
const MANY = 4;

export class Shelf {
  readonly #slots = new Map<string, number>();
  readonly #ids: string[] = [];
  /** What never changes while it is packed, and how far its recipients are ("": as on the first day). */
  readonly #heads: string[] = [];
  readonly #notes: string[] = [];
  #flags = new Uint8Array(FIRST_SLOTS);
  #segments = new Uint32Array(FIRST_SLOTS);
  #lengths = new Uint32Array(FIRST_SLOTS);
  #dues = new Float64Array(FIRST_SLOTS);
  readonly #free: number[] = [];
  readonly #words = new Words(SHARED);

  get size(): number {
    return this.#slots.size;
  }

  slotOf(id: string): number | undefined {
    return this.#slots.get(id);
  }

  idOf(slot: number): string {
    return this.#ids[slot] ?? "";
  }

  keys(): IterableIterator<string> {
    return this.#slots.keys();
  }

  /** In the order in which they came, or were sorted. */
  slots(): IterableIterator<number> {
    return this.#slots.values();
  }

  /** What is packed under an id. */
  get(id: string): Stored | undefined {
    const slot = this.#slots.get(id);
    return slot === undefined ? undefined : this.read(slot);
  }

  *values(): Generator<Stored> {
    for (const slot of this.#slots.values()) {
      const stored = this.read(slot);
      if (stored) yield stored;
    }
  }

  /** A slot for a new id, with nothing in it. */
  reserve(id: string): number {
    const slot = this.#free.pop() ?? this.#ids.length;
    if (slot >= this.#flags.length) this.#grow();
    this.#slots.set(id, slot);
    this.#ids[slot] = id;
    this.#heads[slot] = "";
    this.#notes[slot] = "";
    this.#flags[slot] = 0;
    return slot;
  }

  /** Packs a message into its slot. */
  put(
    slot: number,
    { head, kept, warned, held }: Omit<Stored, "progress">,
    rows: readonly Progress[] = [],
  ): void {
    this.#notes[slot] = this.#packRows(rows);
    this.#heads[slot] = this.#packHead(head, kept);
    this.#segments[slot] = kept.segment;
    this.#lengths[slot] = kept.length;
    const isMany = head.envelope.recipients.length !== 1;
    this.#flags[slot] = (warned ? WARNED : 0) | (held ? HELD : 0) | (isMany ? MANY : 0);
    this.#dues[slot] = isMany || rows.length > 0 ? UNKNOWN : bornAt(head);
  }

  /** Its record is somewhere else now; all else stays. */
  move(slot: number, head: Head, kept: Kept): void {
    this.put(
      slot,
      { head, kept, warned: this.#has(slot, WARNED), held: this.#has(slot, HELD) },
      this.#rows(slot),
    );
  }

  /** More is known about a packed message. */
  note(slot: number, rows: readonly Progress[]): void {
    const [only] = rows;
    if (!only) return;
    if (rows.length === 1 && only.index === 0 && !this.#has(slot, MANY)) {
      this.#notes[slot] = this.#packRows(rows);
      this.#dues[slot] = only.state === "waiting" ? only.next : NEVER;
      return;
    }
    const known = new Map(this.#rows(slot).map((row) => [row.index, row]));
    for (const row of rows) known.set(row.index, row);
    this.#notes[slot] = this.#packRows([...known.values()]);
    this.#dues[slot] = UNKNOWN;
  }

  warn(slot: number): void {
    this.#mark(slot, WARNED, true);
  }

  hold(slot: number, held: boolean): void {
    this.#mark(slot, HELD, held);
  }

  isHeld(slot: number): boolean {
    return this.#has(slot, HELD);
  }

  /** Nothing when somebody works on it. */
  read(slot: number): Stored | undefined {
    const packed = this.#heads[slot];
    if (!packed) return undefined;
    return {
      ...this.#unpackHead(slot, packed),
      warned: this.#has(slot, WARNED),
      held: this.#has(slot, HELD),
      progress: new Map(this.#rows(slot).map((row) => [row.index, row])),
    };
  }

  /** As `read`, and nothing of it is packed any more. */
  take(slot: number): Stored | undefined {
    const stored = this.read(slot);
    this.#heads[slot] = "";
    this.#notes[slot] = "";
    return stored;
  }

  remove(id: string): boolean {
    const slot = this.#slots.get(id);
    if (slot === undefined) return false;
    this.#slots.delete(id);
    this.#ids[slot] = "";
    this.#heads[slot] = "";
    this.#notes[slot] = "";
    this.#free.push(slot);
    return true;
  }

  isPacked(slot: number): boolean {
    return Boolean(this.#heads[slot]);
  }

  /** Whether these words, in small letters, may all stand in the addresses of a packed message; never false where they do. */
  mentions(slot: number, words: readonly string[]): boolean {
    const head = this.#heads[slot]?.toLowerCase() ?? "";
    return words.every((word) => head.includes(JSON.stringify(word).slice(1, -1)));
  }

  segmentOf(slot: number): number {
    return this.#segments[slot] ?? 0;
  }

  lengthOf(slot: number): number {
    return this.#lengths[slot] ?? 0;
  }

  /** When the first of its recipients that wait is due; NEVER: none waits. */
  dueOf(slot: number): number {
    const due = this.#dues[slot] ?? NEVER;
    if (!Number.isNaN(due)) return due;
    const stored = this.read(slot);
    const found = stored ? firstDue(stored) : NEVER;
    this.#dues[slot] = found;
    return found;
  }

  /** Orders them by arrival, the oldest first. */
  sort(): void {
    const arrived = new Float64Array(this.#ids.length);
    let last = Number.NEGATIVE_INFINITY;
    let sorted = true;
    for (const slot of this.#slots.values()) {
      const at = Number.parseInt((this.#heads[slot] ?? "").slice(1), 10);
      arrived[slot] = at;
      sorted &&= at >= last;
      last = at;
    }
    if (sorted) return;
    const order = Uint32Array.from(this.#slots.values()).sort(
      (a, b) => (arrived[a] ?? 0) - (arrived[b] ?? 0),
    );
    this.#slots.clear();
    for (const slot of order) this.#slots.set(this.idOf(slot), slot);
  }

  #has(slot: number, flag: number): boolean {
    return ((this.#flags[slot] ?? 0) & flag) !== 0;
  }

  #mark(slot: number, flag: number, on: boolean): void {
    const flags = this.#flags[slot] ?? 0;
    this.#flags[slot] = on ? flags | flag : flags & ~flag;
  }

  #grow(): void {
    const slots = 2 * this.#flags.length;
    const larger = <T extends Uint8Array | Uint32Array | Float64Array>(to: T, from: T): T => {
      to.set(from);
      return to;
    };
    this.#flags = larger(new Uint8Array(slots), this.#flags);
    this.#segments = larger(new Uint32Array(slots), this.#segments);
    this.#lengths = larger(new Uint32Array(slots), this.#lengths);
    this.#dues = larger(new Float64Array(slots), this.#dues);
  }

  /** `arrived` comes first: `sort` reads it. */
  #packHead({ arrived, size, envelope }: Head, { place }: Kept): string {
    const { sender, recipients, ...rest } = envelope;
    const packed: PackedHead = [
      arrived,
      place.kind === "file" ? [size, place.front ?? null] : [place.generation, place.offset, place.body],
      this.#words.short(JSON.stringify(rest)),
      sender,
      ...recipients.map(({ address, notify, original }) =>
        notify === undefined && original === undefined
          ? address
          : ([address, notify ?? null, original ?? null] as const),
      ),
    ];
    return JSON.stringify(packed);
  }

  #unpackHead(slot: number, text: string): Pick<Stored, "head" | "kept"> {
    const [arrived, where, rest, sender, ...recipients] = JSON.parse(text) as PackedHead;
    const envelope: Head["envelope"] = {
      ...JSON.parse(this.#words.long(rest)),
      sender,
      recipients: recipients.map((each) => {
        if (typeof each === "string") return { address: each };
        const [address, notify, original] = each;
        return { address, ...(notify ? { notify } : {}), ...(original === null ? {} : { original }) };
      }),
    };
    const id = this.idOf(slot);
    const segment = this.segmentOf(slot);
    const length = this.lengthOf(slot);
    if (where.length === 2) {
      const [size, front] = where;
      const head: Head = { id, arrived, envelope, size, file: true, ...(front === null ? {} : { front }) };
      return { head, kept: { place: filePlace(head), segment, length } };
    }
    const [generation, offset, body] = where;
    const size = length - body;
    const place = { kind: "inline", segment, generation, offset, length, body, size } as const;
    return { head: { id, arrived, envelope, size, file: false }, kept: { place, segment, length } };
  }

  #packRows(rows: readonly Progress[]): string {
    if (rows.length === 0) return "";
    const packed = rows.map((row): PackedRow => {
      const { index, state, attempts, next, code, text } = row;
      return [index, states.indexOf(state), attempts, next, this.#words.short(code), this.#words.short(text)];
    });
    return JSON.stringify(packed);
  }

  #rows(slot: number): readonly Progress[] {
    const packed = this.#notes[slot];
    if (!packed) return [];
    return (JSON.parse(packed) as readonly PackedRow[]).map(([index, state, attempts, next, code, text]) => ({
      index,
      state: states[state] ?? "waiting",
      attempts,
      next,
      code: this.#words.long(code),
      text: this.#words.long(text),
    }));
  }
}

type PackedRecipient =
  | string
  | readonly [string, Head["envelope"]["recipients"][number]["notify"] | null, string | null];
type PackedHead = readonly [
  arrived: number,
  where:
    | readonly [generation: number, offset: number, body: number]
    | readonly [size: number, front: string | null],
  rest: string | number,
  sender: string,
  ...recipients: readonly PackedRecipient[],
];
type PackedRow = readonly [
  index: number,
  state: number,
  attempts: number,
  next: number,
  code: string | number,
  text: string | number,
];

function firstDue({ head, progress }: Stored): number {
  const born = bornAt(head);
  return head.envelope.recipients.reduce((least, _, index) => {
    const { state, next } = progress.get(index) ?? { state: "waiting", next: born };
    return state === "waiting" ? Math.min(least, next) : least;
  }, NEVER);
}

/** Numbers for texts that come again and again; when there are too many, a text stands for itself. */
class Words {
  readonly #most: number;
  readonly #numbers = new Map<string, number>();
  readonly #texts: string[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  short(text: string): string | number {
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    if (this.#texts.length >= this.#most) return text;
    this.#numbers.set(text, this.#texts.length);
    this.#texts.push(text);
    return this.#texts.length - 1;
  }

  long(word: string | number): string {
    return typeof word === "string" ? word : (this.#texts[word] ?? "");
  }
}
