// Importing: a message of an export into this spool, with its id and all that had become of it (docs/queue.md N1–N4). For the queue role, and
// for the command line when no queue runs.

import type { Disk } from "#sys/disk.ts";
import type { Envelope } from "#wire/envelope.ts";
import { BodyDraft, type DraftMemory } from "./draft.ts";
import { Imported } from "./imported.ts";
import type { Journal } from "./journal.ts";
import { prefixOf } from "./replay.ts";
import type { Head, Kept, Progress } from "./state.ts";

/** A message as an export has it, but for its body. */
export interface Card {
  readonly id: string;
  /** ms since 1970. */
  readonly arrived: number;
  readonly envelope: Envelope;
  readonly size: number;
  readonly warned: boolean;
  readonly held: boolean;
  readonly progress: readonly Progress[];
}

export interface ImportingOptions {
  readonly disk: Disk;
  /** The spool directory. */
  readonly directory: string;
  readonly journal: Journal;
  readonly isLive: (id: string) => boolean;
  /** No id is given from now on whose prefix is not greater (Q8). */
  readonly saw: (prefix: number) => void;
  readonly now: () => number;
}

/** "queued": durable, and written down. "known": it is, or was, in this queue. "refused": it cannot be taken, and why. */
export type ImportResult =
  | { readonly kind: "queued"; readonly head: Head; readonly kept: Kept }
  | { readonly kind: "known" }
  | { readonly kind: "refused"; readonly text: string };

/** As `Injector` makes them. */
const ID = /^[0-9a-z]{1,11}-[0-9a-z]{1,16}$/;

/** An id from further in the future would use up the numbers that we give. */
const FUTURE = 24 * 60 * 60 * 1000;

/** smtpd lets none of them through (roles/queue/intake.ts). */
const CONTROL = /[\x00-\x1f\x7f]/;

export class Importing {
  readonly #options: ImportingOptions;
  readonly #imported: Imported;
  readonly #memory: DraftMemory = { held: 0 };
  readonly #under = new Set<string>();

  constructor(options: ImportingOptions) {
    this.#options = options;
    this.#imported = new Imported(options.disk, options.directory);
  }

  /** N4: what recovery found of an import that a crash may have kept from being written down. */
  async settle(ids: readonly string[]): Promise<void> {
    const missing: string[] = [];
    for (const id of ids) if (!(await this.#imported.has(id))) missing.push(id);
    await Promise.all(missing.map((id) => this.#imported.add(id)));
  }

  /** A draft for its body; or why there is none to be. */
  async begin(card: Card): Promise<ImportDraft | Exclude<ImportResult, { kind: "queued" }>> {
    const { isLive, saw } = this.#options;
    const flaw = this.#flawOf(card);
    if (flaw !== undefined) return { kind: "refused", text: flaw };
    if (isLive(card.id) || (await this.#imported.has(card.id))) return { kind: "known" };
    if (this.#under.has(card.id)) return { kind: "refused", text: "it is being imported already" };
    this.#under.add(card.id);
    saw(prefixOf(card.id));
    const { disk, directory, journal } = this.#options;
    const body = new BodyDraft({ disk, directory }, card.id, this.#memory);
    return new ImportDraft(card, {
      body,
      journal,
      imported: this.#imported,
      gone: () => this.#under.delete(card.id),
    });
  }

  #flawOf({ id, envelope: { sender, recipients } }: Card): string | undefined {
    if (!ID.test(id)) return "its id is none of ours";
    if (prefixOf(id) > this.#options.now() + FUTURE) return "its id is from the future";
    if (recipients.length === 0) return "it has no recipients";
    return [sender, ...recipients.map(({ address }) => address)].some((each) => CONTROL.test(each))
      ? "an address holds control characters"
      : undefined;
  }
}

interface DraftOptions {
  readonly body: BodyDraft;
  readonly journal: Journal;
  readonly imported: Imported;
  readonly gone: () => void;
}

export class ImportDraft {
  readonly card: Card;
  readonly #options: DraftOptions;

  constructor(card: Card, options: DraftOptions) {
    this.card = card;
    this.#options = options;
  }

  /** A part of the body; a promise when the caller should wait. */
  write(chunk: Buffer): Promise<void> | undefined {
    return this.#options.body.write(chunk);
  }

  abort(): void {
    this.#options.gone();
    this.#options.body.abort();
  }

  /** Ends the body. Trouble when it could not be kept; then nothing is left of it. */
  async finish(): Promise<ImportResult> {
    const { body, journal, imported, gone } = this.#options;
    const { id, arrived, envelope, size: wanted, warned, held, progress } = this.card;
    if (body.size !== wanted) {
      this.abort();
      return { kind: "refused", text: `its body has ${body.size} bytes, not ${wanted}` };
    }
    try {
      const { size, inline } = await body.finish();
      const since = { warned, held, recipients: progress };
      const head: Head = { id, arrived, envelope, size, file: inline === undefined, since };
      const kept = await journal.add(head, inline ?? []);
      // before anything is done with it: what has left the queue was written down (N2)
      await imported.add(id);
      return { kind: "queued", head, kept };
    } finally {
      gone();
    }
  }
}
