// Binary: messages for those who cannot take all bytes: BINARYMIME (RFC 3030) for Maildirs and servers without it, 8-bit text for servers
// without 8BITMIME (RFC 6152). Bodies of parts get a transfer encoding; nothing else of the message changes.

import { findFlaw } from "#wire/dots.ts";
import { firstValue } from "./header.ts";
import { Base64Encoder, type Encoder, QuotedEncoder } from "./transfer.ts";
import { type Entity, Walker } from "./walk.ts";

/** What the body of one part has. */
interface Leaf {
  readonly eightBit: boolean;
  /** NUL, bare CR or LF, a line longer than 998: no text that could be sent as lines (RFC 5321 §4.5.3.1.6). */
  readonly unsafe: boolean;
}

/** What a message needs of whoever takes it. */
export interface Facts extends Leaf {
  /** Letters beyond ASCII in a header, also of a part: RFC 6532. */
  readonly eightBitHeader: boolean;
  /** By the order of the parts. */
  readonly leaves: readonly Leaf[];
  /** The same of what is signed: a change would break the signature. */
  readonly signed: Leaf;
  /** It cannot be changed: its parts cannot be told. */
  readonly opaque: boolean;
}

/** The lines that are left: any octets, or only those of ASCII. */
export type Target = "8bit" | "7bit";

const LONG_LINE = /[^\n]{1000}/;
const EIGHT_BIT = /[\x80-\xff]/;

/** Watches the bytes of one body. */
class Watch {
  eightBit = false;
  unsafe = false;
  #cr = false;
  /** The end of the last line, when it has not ended. */
  #open = "";

  feed(bytes: Buffer): void {
    const chunk = bytes.toString("latin1");
    this.eightBit ||= EIGHT_BIT.test(chunk);
    if (this.unsafe) return;
    const text = (this.#cr ? "\r" : "") + chunk;
    this.#cr = text.endsWith("\r");
    const line = this.#open + text;
    this.unsafe = findFlaw(this.#cr ? text.slice(0, -1) : text) !== undefined || LONG_LINE.test(line);
    this.#open = line.slice(Math.max(line.lastIndexOf("\n") + 1, line.length - 1000)).replace(/\r$/, "");
  }

  end(): Leaf {
    return { eightBit: this.eightBit, unsafe: this.unsafe || this.#cr };
  }
}

const either = (one: Leaf, other: Leaf): Leaf => ({
  eightBit: one.eightBit || other.eightBit,
  unsafe: one.unsafe || other.unsafe,
});

const nothing: Leaf = { eightBit: false, unsafe: false };

/** Reads a whole message for what it needs. Rejects when it cannot be read. */
export async function examine(chunks: AsyncIterable<Buffer>): Promise<Facts> {
  const leaves: Leaf[] = [];
  let eightBitHeader = false;
  let all = nothing;
  let signed = nothing;
  let within = false;
  let watch = new Watch();
  const outside = new Watch();
  const walker = new Walker({
    header: (entity, bytes) => {
      eightBitHeader ||= EIGHT_BIT.test(bytes.toString("latin1"));
      within = entity.signed;
      watch = new Watch();
    },
    body: (bytes) => watch.feed(bytes),
    end: () => {
      const leaf = watch.end();
      leaves.push(leaf);
      all = either(all, leaf);
      if (within) signed = either(signed, leaf);
    },
    frame: (bytes) => outside.feed(bytes),
  });
  for await (const chunk of chunks) walker.feed(chunk);
  walker.end();
  all = either(all, outside.end());
  return { ...all, leaves, eightBitHeader, signed, opaque: walker.failed };
}

const needs = ({ eightBit, unsafe }: Leaf, target: Target): boolean =>
  unsafe || (target === "7bit" && eightBit);

/** Whether a message must be changed before it goes where only `target` is taken. */
export const mustRecode = (facts: Facts, target: Target): boolean => needs(facts, target);

/** Whether it can be, without breaking a signature. */
export const mayRecode = (facts: Facts, target: Target): boolean =>
  !facts.opaque && !needs(facts.signed, target);

/** The message with bodies encoded where `target` asks for it; `facts` are those of the same bytes. Rejects when they cannot be read. */
export async function* recode(
  chunks: AsyncIterable<Buffer>,
  facts: Facts,
  target: Target,
): AsyncGenerator<Buffer> {
  let out: Buffer[] = [];
  let at = 0;
  let encoder: Encoder | undefined;
  const frames = target === "7bit" || facts.unsafe;
  const walker = new Walker({
    header: (entity, bytes) => {
      const leaf = entity.composite ? undefined : facts.leaves[at];
      if (!entity.composite) at++;
      const chosen = leaf ? encodingFor(entity, leaf, target) : compositeEncoding(entity, target);
      encoder = encoderOf(chosen === entity.encoding ? undefined : chosen);
      out.push(rewrite(entity, bytes, chosen));
    },
    body: (bytes) => out.push(encoder ? encoder.feed(bytes) : bytes),
    end: () => {
      if (encoder) out.push(encoder.end());
    },
    // text around parts, which nobody reads (RFC 2046 §5.1.1)
    frame: (bytes) => out.push(frames && !facts.opaque ? clean(bytes) : bytes),
  });
  for await (const chunk of chunks) {
    walker.feed(chunk);
    if (out.length > 0) yield Buffer.concat(out);
    out = [];
  }
  walker.end();
  if (out.length > 0) yield Buffer.concat(out);
}

/** The body of a message in the spool. */
export interface Body {
  readonly size: number;
  /** All of it, when it is small. */
  readonly whole: Buffer | undefined;
  /** From the start, each time it is called. */
  chunks(): AsyncIterable<Buffer>;
}

/** A body as `recode` gives it, with its new size, for which a large one is read once more. Rejects when it cannot be read. */
export async function recodeBody(body: Body, facts: Facts, target: Target): Promise<Body> {
  const chunks = () => recode(body.chunks(), facts, target);
  const kept: Buffer[] = [];
  let size = 0;
  for await (const chunk of chunks()) {
    size += chunk.length;
    if (body.whole) kept.push(chunk);
  }
  if (!body.whole) return { size, whole: undefined, chunks };
  const whole = Buffer.concat(kept);
  return {
    size,
    whole,
    async *chunks() {
      yield whole;
    },
  };
}

function clean(bytes: Buffer): Buffer {
  return EIGHT_BIT.test(bytes.toString("latin1")) || bytes.includes(0)
    ? Buffer.from(bytes.toString("latin1").replace(/[\0\x80-\xff]/g, "?"), "latin1")
    : bytes;
}

const encoderOf = (encoding: string | undefined): Encoder | undefined =>
  encoding === "base64"
    ? new Base64Encoder()
    : encoding === "quoted-printable"
      ? new QuotedEncoder()
      : undefined;

/** Encodings that leave bytes as they are. */
const IDENTITIES: ReadonlySet<string> = new Set(["", "7bit", "8bit", "binary"]);

function encodingFor({ type, encoding }: Entity, leaf: Leaf, target: Target): string {
  // encoded already, or in a way that nobody knows
  if (!IDENTITIES.has(encoding)) return encoding;
  if (needs(leaf, target)) return type.startsWith("text/") && !leaf.unsafe ? "quoted-printable" : "base64";
  if (encoding === "binary") return leaf.eightBit ? "8bit" : "7bit";
  return encoding === "8bit" && target === "7bit" ? "7bit" : encoding;
}

/** RFC 2045 §6.4: what holds others has no encoding, but says what they need. */
function compositeEncoding({ encoding }: Entity, target: Target): string {
  if (encoding === "binary") return target;
  return encoding === "8bit" && target === "7bit" ? "7bit" : encoding;
}

/** The header with this encoding in it. */
function rewrite({ fields, encoding, message }: Entity, bytes: Buffer, chosen: string): Buffer {
  // a header without its empty line has no body
  if (chosen === encoding || !/(?:^|\n)\r?\n$/.test(bytes.toString("latin1"))) return bytes;
  const kept: Buffer[] = [];
  let from = 0;
  for (const { name, start, end } of fields) {
    if (name.toLowerCase() !== "content-transfer-encoding") continue;
    kept.push(bytes.subarray(from, start));
    from = end;
  }
  const rest = bytes.subarray(from);
  const blank = /(?:^|(?<=\n))\r?\n$/.exec(rest.toString("latin1"))?.[0] ?? "";
  kept.push(rest.subarray(0, rest.length - blank.length));
  const lines = [
    // RFC 1428 §4: letters of nobody knows which alphabet
    ...(firstValue(fields, "Content-Type") === undefined && message
      ? ["Content-Type: text/plain; charset=unknown-8bit"]
      : []),
    ...(firstValue(fields, "MIME-Version") === undefined && message ? ["MIME-Version: 1.0"] : []),
    `Content-Transfer-Encoding: ${chosen}`,
  ];
  return Buffer.concat([
    ...kept,
    Buffer.from(lines.map((line) => `${line}\r\n`).join("")),
    Buffer.from(blank),
  ]);
}

/**
 * A body as files of lines can keep it. Bytes that are no lines (RFC 3030 §3) would come back as others: binary parts are encoded, always in
 * the same way, so that a file has the same name in every attempt. Rejects when the body cannot be read.
 */
export async function asLines<B extends Body>(
  body: B,
  declared: "7bit" | "8bitmime" | "binarymime",
): Promise<B | Body> {
  if (declared !== "binarymime") return body;
  return recodeBody(body, await examine(body.chunks()), "8bit");
}
