// Transfer: messages out of the queue and into it for the command line (docs/queue.md N1–N4).

import type { Clock } from "#base/clock.ts";
import { Trouble } from "#base/problem.ts";
import type { Logger } from "#log/logger.ts";
import type { ImportDraft, Importing, ImportResult } from "#store/spool/importing.ts";
import { NEVER, type Shelf } from "#store/spool/shelf.ts";
import { type Handled, on } from "#talk/answerer.ts";
import {
  type Carried,
  type ImportAnswer,
  type ImportPart,
  queueExport,
  queueImport,
  unfold,
} from "#talk/queuetransfer.ts";
import type { Dispatch } from "./dispatch.ts";
import { type Entries, type Entry, recipientOf } from "./entries.ts";
import type { Room } from "./room.ts";
import type { Settle } from "./settle.ts";

export interface TransferOptions {
  readonly clock: Clock;
  readonly entries: Entries;
  readonly shelf: Shelf;
  readonly importing: Importing;
  readonly dispatch: Dispatch;
  readonly settle: Settle;
  readonly room: Room;
  readonly log: Logger;
}

/** Bytes of one answer, roughly: it must fit into a frame. */
const ANSWER = 512 * 1024;

/** Messages on their way in at a time; the one that began first gives way. */
const MOST = 64;

/** A message on its way in; nothing is kept of its body before all recipients are known. */
interface Incoming {
  readonly about: NonNullable<ImportPart["about"]>;
  readonly recipients: Carried[];
  draft?: ImportDraft;
}

export function transferVerbs(options: TransferOptions): readonly Handled[] {
  const incoming = new Incomings(options);
  return [
    on(queueExport, ({ id, from }) => {
      const entry = options.entries.find(id);
      return entry ? { message: exported(entry, from) } : {};
    }),
    on(queueImport, (part) => incoming.take(part)),
  ];
}

function exported(entry: Entry, from: number) {
  const { id, arrived, size, warned, held, envelope, kept } = entry;
  const due = new Map(entry.tasks.flatMap((task) => task.waiting.map((index) => [index, task.due] as const)));
  const recipients: Carried[] = [];
  let length = 0;
  for (let index = from; index < entry.recipients.length && length < ANSWER; index++) {
    const recipient = entry.recipients[index];
    if (!recipient) break;
    const { state, attempts, code, text } = recipient;
    const next = due.get(index) ?? 0;
    const carried = { ...recipientOf(recipient), state, attempts, next, code, text };
    recipients.push(carried);
    length += JSON.stringify(carried).length;
  }
  return {
    about: { id, arrived, size, warned, held, envelope },
    place: kept.place,
    count: entry.recipients.length,
    recipients,
  };
}

class Incomings {
  readonly #options: TransferOptions;
  readonly #incoming = new Map<string, Incoming>();

  constructor(options: TransferOptions) {
    this.#options = options;
  }

  async take(part: ImportPart): Promise<ImportAnswer> {
    const { id, about, recipients = [], body, last } = part;
    if (about) this.#begin(about);
    const message = this.#incoming.get(id);
    if (!message) return { result: "refused", text: "It was given up meanwhile" };
    try {
      message.recipients.push(...recipients);
      if (body !== undefined || last) {
        const refused = await this.#write(message, body ?? "");
        if (refused) {
          this.#drop(id);
          return refused;
        }
      }
      return last ? await this.#finish(id, message) : { result: "more" };
    } catch (thrown) {
      this.#drop(id);
      return { result: "refused", text: Trouble.from("keep message", thrown).message.slice(0, 500) };
    }
  }

  #begin(about: Incoming["about"]): void {
    this.#drop(about.id);
    const [oldest] = this.#incoming.keys();
    if (this.#incoming.size >= MOST && oldest !== undefined) this.#drop(oldest);
    this.#incoming.set(about.id, { about, recipients: [] });
  }

  #drop(id: string): void {
    this.#incoming.get(id)?.draft?.abort();
    this.#incoming.delete(id);
  }

  async #write(message: Incoming, body: string): Promise<ImportAnswer | undefined> {
    const { importing, room } = this.#options;
    if (room.full) return { result: "refused", text: "No room for mail now" };
    if (!message.draft) {
      const { about, recipients } = message;
      const begun = await importing.begin({ ...about, ...unfold(about, recipients) });
      if ("kind" in begun) return answerOf(begun);
      message.draft = begun;
    }
    await message.draft.write(Buffer.from(body, "base64"));
    return undefined;
  }

  async #finish(id: string, { draft }: Incoming): Promise<ImportAnswer> {
    const result = await draft?.finish();
    this.#incoming.delete(id);
    if (result?.kind === "queued") this.#adopt(result);
    return result ? answerOf(result) : { result: "refused", text: "It has no body" };
  }

  /** As after a start of the queue: it waits until it is due. */
  #adopt({ head, kept }: Extract<ImportResult, { kind: "queued" }>): void {
    const { entries, shelf, dispatch, settle, log } = this.#options;
    const slot = entries.adopt(head, kept);
    const { sender, recipients } = head.envelope;
    log.event("queue_new", {
      id: head.id,
      sender: `<${sender}>`,
      recipients: recipients.length,
      size: head.size,
      imported: true,
    });
    const due = shelf.dueOf(slot);
    if (due === NEVER) {
      const entry = entries.wake(slot);
      if (entry) settle.finish(entry);
    } else if (!shelf.isHeld(slot)) {
      dispatch.expect(slot, due);
      dispatch.begin();
    }
  }
}

function answerOf(result: ImportResult): ImportAnswer {
  return result.kind === "refused"
    ? { result: "refused", text: result.text.slice(0, 500) }
    : { result: result.kind };
}
