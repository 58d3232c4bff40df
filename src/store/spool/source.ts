// Where the bodies of queued messages are read, by their Place: what local and remote use. An inline body is given out only after
// the whole record passed its checksum, so that nobody ever delivers bytes of an earlier life of a segment (docs/queue.md Q2).

import path from "node:path";
import { Trouble } from "#base/problem.ts";
import type { Disk, DiskFile } from "#sys/disk.ts";
import type { Place } from "./place.ts";
import { readRecord } from "./record.ts";
import { BLOCK, type Life, parseBlock, segmentName } from "./segment.ts";

/** Where things lie below the spool directory. */
export const JOURNAL = "journal";
export const BODIES = "body";

/** Bodies are read in parts of this size. */
const PART = 64 * 1024;

/** Largest record that is read: body and envelope with all its recipients. */
const LARGEST = 16 * 1024 * 1024;

export interface BodySource {
  readonly size: number;
  /** The whole body when it is at hand anyway (inline); larger ones come from `read` only. */
  readonly whole: Buffer | undefined;
  /** The body in parts of at most 64 KiB; may be called again for another pass. Trouble when the disk fails. */
  read(): AsyncIterable<Buffer>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Opens the body at `place` below the spool directory. Trouble "gone" when the message is not there any more (it has ended),
 * "damaged" when its bytes are not what the queue wrote; both, and every failure of the disk, are reasons to try again later.
 */
export async function openBody(disk: Disk, spoolDir: string, place: Place): Promise<BodySource> {
  return place.kind === "file" ? openFile(disk, spoolDir, place) : await openOnce(disk, spoolDir, place);
}

type Inline = Extract<Place, { kind: "inline" }>;
type InFile = Extract<Place, { kind: "file" }>;

interface OpenSegment {
  readonly file: DiskFile;
  readonly life: Life;
}

/** An open segment that several readers share; closed when it is not kept any more and the last reader is done. */
class Shared {
  readonly opening: Promise<OpenSegment>;
  #readers = 0;
  #kept = true;

  constructor(opening: Promise<OpenSegment>) {
    this.opening = opening;
  }

  /** Runs `use` with the segment, which stays open meanwhile. */
  async use<T>(use: (segment: OpenSegment) => Promise<T>): Promise<T> {
    this.#readers++;
    try {
      return await use(await this.opening);
    } finally {
      this.#readers--;
      this.#settle();
    }
  }

  release(): void {
    if (!this.#kept) return;
    this.#kept = false;
    this.#settle();
  }

  #settle(): void {
    if (this.#kept || this.#readers > 0) return;
    this.opening
      .then(({ file }) => file.close())
      .catch(() => {
        // it was never opened, or has nothing to lose by a failed close: it was only read
      });
  }
}

/** Reads bodies and keeps the last segments open, so that an inline body costs one read. */
export class Bodies {
  readonly #disk: Disk;
  readonly #spoolDir: string;
  readonly #open = new Map<number, { readonly generation: number; readonly shared: Shared }>();

  constructor(disk: Disk, spoolDir: string) {
    this.#disk = disk;
    this.#spoolDir = spoolDir;
  }

  /** As `openBody`. */
  async open(place: Place): Promise<BodySource> {
    if (place.kind === "file") return openFile(this.#disk, this.#spoolDir, place);
    return inlineSource(await this.#segment(place).use((segment) => readInline(segment, place)));
  }

  close(): void {
    for (const segment of this.#open.keys()) this.#forget(segment);
  }

  /** The segment in the life that `place` speaks of. */
  #segment(place: Inline): Shared {
    const known = this.#open.get(place.segment);
    if (known?.generation === place.generation) return known.shared;
    this.#forget(place.segment);
    const shared = new Shared(openSegment(this.#disk, this.#spoolDir, place));
    const kept = { generation: place.generation, shared };
    this.#open.set(place.segment, kept);
    shared.opening.catch(() => {
      if (this.#open.get(place.segment) === kept) this.#forget(place.segment);
    });
    const [oldest] = this.#open.keys();
    if (this.#open.size > KEPT_OPEN && oldest !== undefined) this.#forget(oldest);
    return shared;
  }

  #forget(segment: number): void {
    this.#open.get(segment)?.shared.release();
    this.#open.delete(segment);
  }
}

/** Segments that `Bodies` keeps open. */
const KEPT_OPEN = 16;

async function openSegment(disk: Disk, spoolDir: string, place: Inline): Promise<OpenSegment> {
  const name = segmentName(place.segment);
  const file = await disk.openRead(path.join(spoolDir, JOURNAL, name));
  if (!file) throw gone(`segment ${name} does not exist`);
  try {
    const block = Buffer.allocUnsafe(BLOCK);
    const length = await file.read(block, 0, BLOCK, 0);
    const life = parseBlock(block.subarray(0, length));
    if (!life) throw damaged(`segment ${name} has no readable header`);
    if (life.generation !== place.generation) throw gone(`segment ${name} has another life`);
    return { file, life };
  } catch (thrown) {
    await file.close();
    throw thrown;
  }
}

async function openOnce(disk: Disk, spoolDir: string, place: Inline): Promise<BodySource> {
  const segment = await openSegment(disk, spoolDir, place);
  try {
    return inlineSource(await readInline(segment, place));
  } finally {
    await segment.file.close();
  }
}

/** The body of the record at `place`, after the whole record has been verified. */
async function readInline({ file, life }: OpenSegment, place: Inline): Promise<Buffer> {
  if (place.length > LARGEST || place.body + place.size !== place.length) throw damaged("the place is wrong");
  const bytes = Buffer.allocUnsafeSlow(place.length);
  let got = 0;
  while (got < place.length) {
    const now = await file.read(bytes, got, place.length - got, place.offset + got);
    if (now === 0) throw damaged("the segment is too short");
    got += now;
  }
  const record = readRecord(bytes, 0, life);
  if (record?.length !== place.length) throw damaged(`the record at ${place.offset} fails its checksum`);
  return bytes.subarray(place.body);
}

function inlineSource(body: Buffer): BodySource {
  return {
    size: body.length,
    whole: body,
    async *read() {
      for (let at = 0; at < body.length; at += PART) yield body.subarray(at, at + PART);
    },
    close: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}

async function openFile(disk: Disk, spoolDir: string, place: InFile): Promise<BodySource> {
  // the name comes from another process: it must not lead out of the directory
  if (!/^[0-9a-z-]{1,64}$/.test(place.name)) throw damaged("the body's name is wrong");
  const file = await disk.openRead(path.join(spoolDir, BODIES, place.name));
  if (!file) throw gone(`body ${place.name} does not exist`);
  const close = () => file.close();
  if ((await file.size()) !== place.size) {
    await close();
    throw damaged(`body ${place.name} has another size`);
  }
  return { size: place.size, whole: undefined, read: () => parts(file), close, [Symbol.asyncDispose]: close };
}

async function* parts(file: DiskFile): AsyncIterable<Buffer> {
  for (let at = 0; ; ) {
    const bytes = Buffer.allocUnsafeSlow(PART);
    const length = await file.read(bytes, 0, PART, at);
    if (length === 0) return;
    at += length;
    yield bytes.subarray(0, length);
  }
}

const gone = (why: string) => new Trouble("open a body", `Cannot open a body: ${why}`, { code: "gone" });
const damaged = (why: string) =>
  new Trouble("open a body", `Cannot open a body: ${why}`, { code: "damaged" });
