// The spool as the queue uses it: message, progress and end records, and which segments still hold somebody (docs/queue.md).

import { limits } from "#base/limits.ts";
import { messageOf } from "#base/problem.ts";
import { createAnew, type Disk } from "#sys/disk.ts";
import { Journal, type Written } from "./journal.ts";
import type { Place } from "./place.ts";
import { endDraft, type MessageMeta, messageDraft, type ProgressMeta, progressDraft } from "./record.ts";
import { type Recovered, recover } from "./recovery.ts";
import { bodyPath, openBody } from "./source.ts";

export interface SpoolEvents {
  failed(text: string): void;
  damaged(file: string): void;
  /** A live message as it stands now, for its copy; undefined when it has ended. */
  snapshot(id: string): { readonly meta: MessageMeta; readonly place: Place } | undefined;
  /** Its record lies somewhere else now. */
  moved(id: string, place: Place): void;
}

export interface Opened {
  readonly spool: Spool;
  readonly messages: ReadonlyMap<string, Recovered>;
  readonly lastPrefix: string;
  readonly segments: number;
}

/** With more segments than this, those that few messages hold are emptied. */
const MANY_SEGMENTS = 8;
/** So many messages are few. */
const FEW = 200;

export class Spool {
  readonly journal: Journal;
  readonly #disk: Disk;
  readonly #at: string;
  readonly #events: SpoolEvents;
  /** Live messages of each segment, oldest segment first. */
  readonly #live = new Map<number, Set<string>>();
  readonly #generationOf = new Map<string, number>();
  #reclaiming = false;

  private constructor(disk: Disk, at: string, journal: Journal, events: SpoolEvents) {
    this.#disk = disk;
    this.#at = at;
    this.journal = journal;
    this.#events = events;
  }

  /** Makes what is missing, recovers what lives. Trouble when the disk cannot be used. */
  static async open(disk: Disk, at: string, events: SpoolEvents, segmentSize: number = limits.queue.segment): Promise<Opened> {
    for (const place of ["journal", "body", "damaged"]) await disk.makeDirectory(`${at}/${place}`, 0o2750);
    const found = await recover(disk, at, segmentSize);
    const generation = found.generations[found.generations.length - 1] ?? 0;
    const journal = new Journal(disk, at, { generation, spares: found.spares, segmentSize }, events);
    const spool = new Spool(disk, at, journal, events);
    for (const each of found.generations) spool.#live.set(each, new Set());
    for (const [id, message] of found.messages) spool.#settle(id, message.generation);
    await spool.#setAside(found.damaged);
    await spool.#removeOrphans(found.messages);
    spool.#reclaim();
    return { spool, messages: found.messages, lastPrefix: found.lastPrefix, segments: found.generations.length };
  }

  /** Durable when it resolves; where its body is. */
  async add(meta: MessageMeta, body: readonly Buffer[], mustLast = false): Promise<Place> {
    const draft = messageDraft(meta, body);
    const written = await this.journal.append(draft, mustLast);
    this.#settle(meta.id, written.generation);
    if (meta.ends !== undefined) this.#forget(meta.ends);
    return placeOf(meta, written, draft);
  }

  /** Durable when it resolves; it never rejects, but waits for a disk that works. */
  async progress(meta: ProgressMeta): Promise<void> {
    await this.journal.append(progressDraft(meta), true);
  }

  async end(id: string): Promise<void> {
    await this.journal.append(endDraft(id), true);
    this.#forget(id);
  }

  /** A file for a large body, written in order; durable after `finish`. */
  async bodyFile(name: string): Promise<{ write(chunk: Buffer): Promise<void>; finish(): Promise<void>; abort(): Promise<void> }> {
    const path = bodyPath(this.#at, name);
    const file = await createAnew(this.#disk, path, 0o640);
    let at = 0;
    return {
      write: (chunk) => {
        const where = at;
        at += chunk.length;
        return file.write([chunk], where);
      },
      finish: async () => {
        await file.sync();
        await file.close();
        await this.#disk.syncDirectory(`${this.#at}/body`);
      },
      abort: async () => {
        await file.close();
        await this.#disk.remove(path);
      },
    };
  }

  /** Q9: only after the end is durable. */
  async removeBody(name: string): Promise<void> {
    await this.#disk.remove(bodyPath(this.#at, name));
  }

  #settle(id: string, generation: number): void {
    const before = this.#generationOf.get(id);
    if (before !== undefined) this.#live.get(before)?.delete(id);
    const live = this.#live.get(generation) ?? new Set();
    live.add(id);
    this.#live.set(generation, live);
    this.#generationOf.set(id, generation);
  }

  #forget(id: string): void {
    const generation = this.#generationOf.get(id);
    this.#generationOf.delete(id);
    if (generation === undefined) return;
    const live = this.#live.get(generation);
    live?.delete(id);
    if (live?.size === 0 && generation !== this.journal.generation) this.#reclaim();
  }

  /** Recycles from the oldest on (Q4); empties the oldest when few messages hold up many segments. */
  #reclaim(): void {
    if (this.#reclaiming) return;
    this.#reclaiming = true;
    this.#reclaimSome()
      .catch((thrown: unknown) => this.#events.failed(messageOf(thrown)))
      .finally(() => {
        this.#reclaiming = false;
      });
  }

  async #reclaimSome(): Promise<void> {
    for (;;) {
      const [oldest] = this.#live;
      if (!oldest) return;
      const [generation, ids] = oldest;
      // nothing was written to yet: the newest may still become the current one
      if (generation === this.journal.generation) return;
      if (ids.size === 0) {
        await this.journal.recycle(generation);
        this.#live.delete(generation);
      } else if (this.#live.size > MANY_SEGMENTS && ids.size <= FEW) {
        for (const id of [...ids]) await this.#copy(id);
        // one that could not be copied stays; it is tried again with the next end
        if (ids.size > 0) return;
      } else return;
    }
  }

  async #copy(id: string): Promise<void> {
    const place = this.#events.snapshot(id)?.place;
    if (!place) return;
    const body: Buffer[] = [];
    if (place.kind === "inline") {
      const source = await openBody(this.#disk, this.#at, place);
      if (source.whole) body.push(source.whole);
    }
    // taken now, not before the body was read: it must hold what the records before it say
    const now = this.#events.snapshot(id);
    if (!now) return;
    this.#events.moved(id, await this.add(now.meta, body));
  }

  async #setAside(damaged: readonly { readonly generation: number; readonly offset: number; readonly bytes: Buffer }[]): Promise<void> {
    for (const { generation, offset, bytes } of damaged) {
      const name = `${this.#at}/damaged/${generation}.${offset}`;
      const file = await createAnew(this.#disk, name, 0o640);
      await file.write([bytes], 0);
      await file.sync();
      await file.close();
      this.#events.damaged(name);
    }
  }

  async #removeOrphans(messages: ReadonlyMap<string, Recovered>): Promise<void> {
    const wanted = new Set([...messages.values()].map(({ meta }) => meta.file));
    for (const name of await this.#disk.list(`${this.#at}/body`)) {
      if (!wanted.has(name)) await this.#disk.remove(bodyPath(this.#at, name));
    }
  }
}

function placeOf(meta: MessageMeta, { generation, offset }: Written, draft: { readonly size: number; readonly body: number }): Place {
  return meta.file === undefined
    ? { kind: "inline", generation, offset, length: draft.size, body: draft.body, size: meta.size }
    : { kind: "file", name: meta.file, size: meta.size };
}
