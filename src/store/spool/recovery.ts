// Recovery: reads every segment once and says which messages live (docs/queue.md, Q3, Q6, Q9).

import { type Disk, readWhole } from "#sys/disk.ts";
import { intact, type MessageMeta, parseRecord, parseSegmentHeader, recordLength, SEGMENT_HEADER, type State } from "./record.ts";
import type { Place } from "./place.ts";

export interface Recovered {
  readonly meta: MessageMeta;
  readonly place: Place;
  /** Segment of its message record. */
  readonly generation: number;
  /** Newest state of each recipient that has one. */
  readonly states: ReadonlyMap<number, State>;
  readonly warned: number;
}

export interface Recovery {
  readonly messages: ReadonlyMap<string, Recovered>;
  /** Segments that were read, ascending. */
  readonly generations: readonly number[];
  readonly spares: readonly string[];
  /** Largest text before the last "-" among all ids. */
  readonly lastPrefix: string;
  readonly damaged: readonly { readonly generation: number; readonly offset: number; readonly bytes: Buffer }[];
}

interface Live {
  meta: MessageMeta;
  place: Place;
  generation: number;
  states: Map<number, State>;
  warned: number;
}

class Scan {
  readonly messages = new Map<string, Live>();
  readonly damaged: { generation: number; offset: number; bytes: Buffer }[] = [];
  lastPrefix = "";

  segment(bytes: Buffer, generation: number): void {
    let at = SEGMENT_HEADER;
    while (at < bytes.length) {
      const length = recordLength(bytes, at);
      if (length === 0) return;
      const good = intact(bytes, at, length, generation);
      // a torn end, unless something of this life stands behind it
      if (!good && !followed(bytes, at + length, generation)) return;
      const record = bytes.subarray(at, at + length);
      if (!good || !this.#apply(record, generation, at)) {
        this.damaged.push({ generation, offset: at, bytes: Buffer.from(record) });
      }
      at += length;
    }
  }

  #apply(record: Buffer, generation: number, offset: number): boolean {
    const parsed = parseRecord(record);
    if (!parsed) return false;
    switch (parsed.type) {
      case "message":
        this.#message(parsed.meta, { generation, offset, length: record.length, body: parsed.body });
        return true;
      case "progress":
        this.#progress(parsed.meta);
        return true;
      case "end":
        this.messages.delete(parsed.id);
        return true;
    }
  }

  #message(meta: MessageMeta, at: { generation: number; offset: number; length: number; body: number }): void {
    const prefix = meta.id.slice(0, Math.max(0, meta.id.lastIndexOf("-")));
    if (later(prefix, this.lastPrefix)) this.lastPrefix = prefix;
    const place: Place =
      meta.file === undefined ? { kind: "inline", ...at, size: meta.size } : { kind: "file", name: meta.file, size: meta.size };
    const states = new Map((meta.states ?? []).map((state) => [state.index, state]));
    this.messages.set(meta.id, { meta, place, generation: at.generation, states, warned: meta.warned ?? 0 });
    if (meta.ends !== undefined) this.messages.delete(meta.ends);
  }

  #progress({ id, states, warned }: { readonly id: string; readonly states: readonly State[]; readonly warned: number | undefined }): void {
    const live = this.messages.get(id);
    // its end came first, or its message record was damaged
    if (!live) return;
    for (const state of states) live.states.set(state.index, state);
    live.warned = Math.max(live.warned, warned ?? 0);
  }
}

/** Prefixes are numbers in base 36: the longer one is the later one. */
export const later = (a: string, b: string): boolean => a.length > b.length || (a.length === b.length && a > b);

/** Does an intact record of this life start here? */
function followed(bytes: Buffer, at: number, generation: number): boolean {
  const length = recordLength(bytes, at);
  return length > 0 && intact(bytes, at, length, generation);
}

/** Reads the journal below `spool`. `segmentSize` as the journal uses it. Trouble when the disk cannot be read. */
export async function recover(disk: Disk, spool: string, segmentSize: number): Promise<Recovery> {
  const names = await disk.list(`${spool}/journal`);
  const generations: number[] = [];
  const scan = new Scan();
  for (const name of names.filter((each) => /^\d{10}\.seg$/.test(each)).sort()) {
    const bytes = await readWhole(disk, `${spool}/journal/${name}`, 2 * segmentSize);
    const generation = Number(name.slice(0, 10));
    generations.push(generation);
    // a header that does not say what the name says: the rename did not come to its end, nothing was written here (Q5)
    if (bytes && parseSegmentHeader(bytes) === generation) scan.segment(bytes, generation);
  }
  const spares: string[] = [];
  for (const name of names.filter((each) => each.startsWith("spare."))) {
    const path = `${spool}/journal/${name}`;
    if ((await disk.stat(path))?.size === segmentSize && spares.length < 2) spares.push(path);
    else await disk.remove(path);
  }
  return { messages: scan.messages, generations, spares, lastPrefix: scan.lastPrefix, damaged: scan.damaged };
}
