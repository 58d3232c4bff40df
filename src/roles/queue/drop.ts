// Takes messages from the drop directory into the queue, each once (docs/drop.md D1–D4).

import path from "node:path";
import { type Clock, pause, type Timer } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { messageOf } from "#base/problem.ts";
import type { SliceOf } from "#config/slice.ts";
import type { Logger } from "#log/logger.ts";
import {
  type DropHead,
  type DropLengths,
  dropId,
  FIRST_LINE,
  formatSettings,
  isDraftName,
  isMessageName,
  parseHead,
  parseLengths,
} from "#store/drop/file.ts";
import { drop } from "#store/drop/places.ts";
import { type Disk, type DiskFile, readSome, replaceSynced } from "#sys/disk.ts";
import { type Flaw, openStrange, type Strange, showToAll } from "#sys/strange.ts";
import { watchDirectories } from "#sys/watch.ts";
import type { InjectHead } from "#talk/inject.ts";
import { formatReceivedHere } from "#wire/message/received.ts";
import type { QueueIntake } from "./intake.ts";

const CHUNK = 64 * 1024;

/** A file that could not be removed is tried again after this. */
const AGAIN = 1000;

export interface DropOptions {
  readonly clock: Clock;
  readonly disk: Disk;
  readonly log: Logger;
  readonly slice: () => SliceOf<"queue">;
  /** The directory above "drop". */
  readonly directory?: string;
  /** Opens what somebody else made. */
  readonly openStrange?: typeof openStrange;
}

/** Why a file is no message. */
class NoMessage extends Error {}

const texts: Readonly<Record<Flaw, string>> = {
  special: "It is no file",
  directory: "It is a directory",
  linked: "It has a second name",
  closed: "Its owner has closed it to us",
};

export class Drop {
  readonly #options: DropOptions;
  readonly #fresh: string;
  readonly #aside: string;
  readonly #settings: string;
  readonly #open: typeof openStrange;
  #intake: QueueIntake | undefined;
  #unwatch: () => void = () => {};
  #timer: Timer | undefined;
  #stopped = false;
  #again = false;
  #sweeping: Promise<void> | undefined;
  /** What cannot be taken away; nobody needs to hear of it twice. */
  readonly #left = new Set<string>();

  constructor(options: DropOptions) {
    this.#options = options;
    this.#open = options.openStrange ?? openStrange;
    const at = options.directory ?? ".";
    this.#fresh = path.join(at, drop.fresh);
    this.#aside = path.join(at, drop.aside);
    this.#settings = path.join(at, drop.settings);
  }

  /** Tells the programs of this machine what they must know. Trouble when it cannot be written. */
  async publish(): Promise<void> {
    const { disk, slice } = this.#options;
    const { hostname, dropDomain, dropDefaultDomain, dropPlusDomain, dropSize } = slice();
    const bytes = formatSettings({
      hostname,
      domain: dropDomain,
      defaultDomain: dropDefaultDomain,
      plusDomain: dropPlusDomain,
      maxSize: dropSize,
    });
    await replaceSynced(disk, this.#settings, bytes);
    showToAll(this.#settings);
  }

  /** Removes the files of messages that the journal has, for good, before any of these is tried (D3). Trouble when it cannot. */
  async forget(isKnown: (id: string) => boolean): Promise<void> {
    const { disk } = this.#options;
    for (const name of (await disk.list(this.#fresh)).filter(isMessageName)) {
      const found = await this.#open(path.join(this.#fresh, name));
      if (found === undefined || typeof found === "string") continue;
      await found.file.close();
      if (isKnown(dropId(name, found))) await disk.remove(path.join(this.#fresh, name));
    }
    // always: a kill may have come between a removal and its sync
    await disk.syncDirectory(this.#fresh);
  }

  /** Takes what is there, and from now on what comes. */
  start(intake: QueueIntake): void {
    this.#intake = intake;
    this.#unwatch = watchDirectories([this.#fresh], () => this.#look());
    this.#look();
  }

  /** Ends with the messages that are being taken. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#unwatch();
    this.#timer?.cancel();
    await this.#sweeping;
  }

  #look(): void {
    if (this.#stopped) return;
    if (this.#sweeping !== undefined) {
      this.#again = true;
      return;
    }
    this.#timer?.cancel();
    this.#again = false;
    this.#sweeping = this.#sweep()
      .catch((thrown: unknown) => this.#trouble(thrown))
      .then(() => {
        this.#sweeping = undefined;
        if (this.#stopped) return;
        if (this.#again) this.#look();
        else this.#timer = this.#options.clock.after(limits.drop.poll, () => this.#look());
      });
  }

  /** Everything that is there now, some at a time; nothing more when the queue has no room. */
  async #sweep(): Promise<void> {
    const names = await this.#options.disk.list(this.#fresh);
    const next = names.values();
    let full = false;
    const work = async () => {
      for (const name of next) {
        if (full || this.#stopped) return;
        full = !(await this.#takeName(name).catch((thrown: unknown) => this.#trouble(thrown))) || full;
      }
    };
    await Promise.all(Array.from({ length: limits.drop.together }, work));
  }

  #trouble(thrown: unknown): true {
    this.#options.log.event("trouble", { text: `Cannot take from ${this.#fresh}: ${messageOf(thrown)}` });
    return true;
  }

  /** One name of the directory; false when the queue takes nothing now. */
  async #takeName(name: string): Promise<boolean> {
    if (this.#left.has(name)) return true;
    if (isDraftName(name)) return this.#takeDraft(name);
    const found = await this.#open(path.join(this.#fresh, name));
    if (found === undefined) return true;
    if (typeof found === "string") return this.#putAside(name, texts[found], undefined);
    try {
      if (!isMessageName(name)) throw new NoMessage("Its name is not that of a message");
      return await this.#take(name, found);
    } catch (thrown) {
      if (!(thrown instanceof NoMessage)) throw thrown;
      return await this.#putAside(name, thrown.message, found.uid);
    } finally {
      await found.file.close();
    }
  }

  /** A program that died has left its draft. */
  async #takeDraft(name: string): Promise<true> {
    const { clock, disk } = this.#options;
    const at = path.join(this.#fresh, name);
    const stat = await disk.stat(at);
    if (stat && !stat.directory && clock.now() - stat.changedMs > limits.drop.draft) await disk.remove(at);
    return true;
  }

  /** D1–D3; the intake goes on with D4. */
  async #take(name: string, strange: Strange): Promise<boolean> {
    const { log, slice } = this.#options;
    const lengths = await lengthsOf(strange);
    if (lengths.body > slice().dropSize) throw new NoMessage("It is larger than smtp.max_size");
    const id = dropId(name, strange);
    const head: InjectHead = { id, session: "", envelope: await envelopeOf(strange.file, lengths) };
    const draft = this.#intake?.beginDropped(head, () => this.#remove(name));
    if (!draft) return false;
    if ("kind" in draft) return this.#refused(draft);
    try {
      for await (const chunk of bodyOf(strange.file, lengths)) await draft.write(chunk);
    } catch (thrown) {
      draft.abort();
      throw thrown;
    }
    const time = this.#options.clock.now();
    const field = formatReceivedHere({ hostname: slice().hostname, uid: strange.uid, id, time });
    const result = await draft.commit(field);
    if (result.kind === "refused") return this.#refused(result);
    log.event("queue_dropped", { id, uid: strange.uid, file: name });
    return true;
  }

  #refused(result: { readonly kind: string; readonly reason?: string; readonly text?: string }): false {
    if (result.reason === "never") throw new NoMessage(`The queue refuses it: ${result.text}`);
    return false;
  }

  /** Resolves with true when the file is gone for good, with false when we stop before that. */
  async #remove(name: string): Promise<boolean> {
    const { disk, clock } = this.#options;
    for (;;) {
      try {
        await disk.remove(path.join(this.#fresh, name));
        await disk.syncDirectory(this.#fresh);
        return true;
      } catch (thrown) {
        this.#trouble(thrown);
      }
      if (this.#stopped) return false;
      await pause(clock, AGAIN);
    }
  }

  async #putAside(name: string, text: string, uid: number | undefined): Promise<true> {
    const { disk, log } = this.#options;
    const at = path.join(this.#fresh, name);
    const kept = uid !== undefined || text === texts.closed || text === texts.linked;
    const room = kept && (await disk.list(this.#aside)).length < limits.drop.aside;
    let done = "left";
    try {
      if (room) await disk.rename(at, path.join(this.#aside, name));
      else await disk.remove(at);
      done = room ? "moved" : "removed";
    } catch {
      // a directory of somebody's: it stays, and is not looked at again
      if (this.#left.size < limits.drop.recipients) this.#left.add(name);
    }
    log.event("queue_drop_aside", { file: name, uid, text, done });
    return true;
  }
}

async function lengthsOf({ file, size }: Strange): Promise<DropLengths> {
  const lengths = parseLengths(await part(file, 0, Math.min(size, FIRST_LINE)), size);
  if (!lengths.ok) throw new NoMessage(lengths.error);
  return lengths.value;
}

async function envelopeOf(file: DiskFile, lengths: DropLengths): Promise<InjectHead["envelope"]> {
  const head = parseHead(await part(file, lengths.start, lengths.head));
  if (!head.ok) throw new NoMessage(`Its envelope cannot be read: ${head.error}`);
  const said: DropHead = head.value;
  return { ...said, submitted: true };
}

async function* bodyOf(file: DiskFile, { start, head, body }: DropLengths): AsyncIterable<Buffer> {
  const end = start + head + body;
  for (let at = start + head; at < end; at += CHUNK) yield await part(file, at, Math.min(CHUNK, end - at));
}

/** So many bytes; its owner may have cut the file short meanwhile. */
async function part(file: DiskFile, from: number, length: number): Promise<Buffer> {
  const bytes = await readSome(file, length, from);
  if (bytes.length < length) throw new NoMessage("It became shorter");
  return bytes;
}
