// The PROXY protocol, versions 1 and 2: what a proxy says in front of a connection about who the client is.
// (haproxy.org, "The PROXY protocol", sections 2.1 and 2.2.)

import { addressBytes, formatAddress } from "#base/network.ts";

export type ProxyHeader =
  /** The client. */
  | { readonly kind: "client"; readonly address: string; readonly port: number }
  /** The proxy itself (LOCAL: it looks whether we live), or it does not know. */
  | { readonly kind: "none" };

export type Introduction =
  | { readonly header: ProxyHeader; readonly rest: Buffer }
  /** What is wrong with it: nobody is to be believed, so the connection ends. */
  | string;

/** Longest line of version 1, with its CR LF. */
const LINE = 107;

const SIGNATURE = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
const PREFIX = Buffer.from("PROXY ", "latin1");
/** Signature, version and command, family, length. */
const FIXED = SIGNATURE.length + 4;

/** Bytes of both addresses and ports, by family and transport; the latter is always a stream. */
const FAMILIES: ReadonlyMap<
  number,
  { readonly name: string; readonly address: number; readonly size: number }
> = new Map([
  [0x00, { name: "unspecified", address: 0, size: 0 }],
  [0x11, { name: "IPv4", address: 4, size: 12 }],
  [0x21, { name: "IPv6", address: 16, size: 36 }],
  // the paths of a Unix socket say nothing that we could use
  [0x31, { name: "Unix", address: 0, size: 216 }],
]);

/** One per connection; `feed` what arrives until it answers. It never keeps more than one header without its extensions. */
export class ProxyReader {
  #kept: Buffer = Buffer.alloc(0);
  #header: ProxyHeader | undefined;
  /** Of the extensions (TLVs) that follow the addresses and are not read. */
  #toSkip = 0;

  /** The introduction, or undefined while it is incomplete. Not to be called after it was given. */
  feed(chunk: Buffer): Introduction | undefined {
    if (this.#header) return this.#skip(this.#header, chunk);
    this.#kept = this.#kept.length === 0 ? chunk : Buffer.concat([this.#kept, chunk]);
    if (begins(this.#kept, SIGNATURE)) return this.#binary(this.#kept);
    if (begins(this.#kept, PREFIX)) return this.#line(this.#kept);
    return "it does not begin with a PROXY header";
  }

  #line(kept: Buffer): Introduction | undefined {
    const end = kept.subarray(0, LINE).indexOf("\r\n");
    if (end < 0) return kept.length >= LINE ? "the PROXY line is too long" : undefined;
    const header = readLine(kept.toString("latin1", 0, end));
    return typeof header === "string" ? header : { header, rest: kept.subarray(end + 2) };
  }

  #binary(kept: Buffer): Introduction | undefined {
    if (kept.length < FIXED) return undefined;
    const [version = 0, type = 0] = kept.subarray(SIGNATURE.length);
    const length = kept.readUInt16BE(FIXED - 2);
    // 0x20: LOCAL, whatever the rest says; 0x21: PROXY
    const family = version === 0x20 ? FAMILIES.get(0) : FAMILIES.get(type);
    if ((version !== 0x20 && version !== 0x21) || !family) return "the PROXY header is of an unknown kind";
    if (length < family.size) return `the PROXY header is too short for ${family.name}`;
    if (kept.length < FIXED + family.size) return undefined;
    this.#header = readAddress(kept.subarray(FIXED), family.address);
    this.#toSkip = length - family.size;
    this.#kept = Buffer.alloc(0);
    return this.#skip(this.#header, kept.subarray(FIXED + family.size));
  }

  #skip(header: ProxyHeader, chunk: Buffer): Introduction | undefined {
    const skipped = Math.min(this.#toSkip, chunk.length);
    this.#toSkip -= skipped;
    return this.#toSkip > 0 ? undefined : { header, rest: chunk.subarray(skipped) };
  }
}

/** Whether bytes begin with `start`, or could when more come. */
function begins(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length);
  return bytes.subarray(0, length).equals(start.subarray(0, length));
}

/** Version 1 without its CR LF. */
function readLine(line: string): ProxyHeader | string {
  const [, family = "", ...words] = line.split(" ");
  // what follows UNKNOWN must be ignored
  if (family === "UNKNOWN") return { kind: "none" };
  const wrong = "the PROXY line is malformed";
  const size = family === "TCP4" ? 4 : family === "TCP6" ? 16 : 0;
  const [source = "", target = "", from = "", to = "", ...more] = words;
  const addresses = [source, target].every((text) => isOfFamily(text, size));
  const ports = [from, to].every((text) => /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 0xffff);
  if (!addresses || !ports || more.length > 0) return wrong;
  return { kind: "client", address: plain(source), port: Number(from) };
}

function isOfFamily(text: string, size: number): boolean {
  if (size === 4) return !text.includes(":") && addressBytes(text) !== undefined;
  return size === 16 && text.includes(":") && !text.includes("%") && addressBytes(text) !== undefined;
}

/** In the form that the system gives addresses in. */
const plain = (text: string): string => formatAddress(addressBytes(text) ?? Buffer.alloc(4));

/** Version 2: source, target, source's port, target's port. */
function readAddress(bytes: Buffer, size: number): ProxyHeader {
  if (size === 0) return { kind: "none" };
  const address = formatAddress(bytes.subarray(0, size));
  return { kind: "client", address: plain(address), port: bytes.readUInt16BE(2 * size) };
}
