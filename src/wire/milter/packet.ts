// Packets of the milter protocol (sendmail's mfdef.h): u32 length of what follows, one letter, its data. Text ends with NUL.

const HEAD = 4;
const EMPTY = Buffer.alloc(0);

export interface Packet {
  /** One letter: see command.ts and reply.ts. */
  readonly kind: string;
  readonly data: Buffer;
}

/** A packet in one buffer. */
export function formatPacket(kind: string, ...data: readonly (string | Buffer)[]): Buffer {
  const parts = data.map((each) => (typeof each === "string" ? Buffer.from(each) : each));
  const head = Buffer.alloc(HEAD + 1);
  head.writeUInt32BE(1 + parts.reduce((sum, { length }) => sum + length, 0));
  head.write(kind, HEAD, "latin1");
  return Buffer.concat([head, ...parts]);
}

/** Cuts what a peer sends into packets. A length that cannot be is `flaw`; nothing comes behind it. */
export class PacketReader {
  flaw: string | undefined;
  readonly #most: number;
  #bytes: Buffer = EMPTY;

  /** `most`: bytes of the letter and its data. */
  constructor(most: number) {
    this.#most = most;
  }

  feed(chunk: Buffer): void {
    if (this.flaw === undefined) this.#bytes = Buffer.concat([this.#bytes, chunk]);
  }

  next(): Packet | undefined {
    if (this.flaw !== undefined || this.#bytes.length < HEAD) return undefined;
    const length = this.#bytes.readUInt32BE(0);
    if (length < 1 || length > this.#most) {
      this.flaw = `a packet of ${length} bytes`;
      this.#bytes = EMPTY;
      return undefined;
    }
    if (this.#bytes.length < HEAD + length) return undefined;
    const packet = {
      kind: this.#bytes.toString("latin1", HEAD, HEAD + 1),
      data: this.#bytes.subarray(HEAD + 1, HEAD + length),
    };
    this.#bytes = this.#bytes.subarray(HEAD + length);
    return packet;
  }
}

/** The texts in a packet, each ended by NUL; what stands behind the last NUL is one too. */
export function texts(data: Buffer): readonly string[] {
  const all = data.toString("utf8").split("\0");
  return all.at(-1) === "" ? all.slice(0, -1) : all;
}
