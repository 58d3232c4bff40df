// IP addresses and networks as numbers: whether an address lies in a range, and which network it counts for.

import { err, ok, type Result } from "./result.ts";

const V4 = 4;
const V6 = 16;
/** ::ffff:0:0/96 (RFC 4291 §2.5.5.2). */
const MAPPED = Buffer.from("00000000000000000000ffff", "hex");

/** The 4 or 16 bytes of an address; a zone ("%eth0") is left out, IPv4 in IPv6 clothes is IPv4. Undefined: not an address. */
export function addressBytes(text: string): Buffer | undefined {
  if (!text.includes(":")) return v4Bytes(text);
  const bytes = v6Bytes(text.replace(/%.*$/, ""));
  return bytes?.subarray(0, MAPPED.length).equals(MAPPED) ? bytes.subarray(MAPPED.length) : bytes;
}

function v4Bytes(text: string): Buffer | undefined {
  if (!/^(?:\d{1,3}\.){3}\d{1,3}$/.test(text)) return undefined;
  const parts = text.split(".");
  // 010 is 8 to some and 10 to others
  if (parts.some((part) => Number(part) > 255 || (part.length > 1 && part.startsWith("0")))) return undefined;
  return Buffer.from(parts.map(Number));
}

function v6Bytes(text: string): Buffer | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [head = "", tail] = halves;
  const before = groups(head, tail === undefined);
  const after = tail === undefined ? [] : groups(tail, true);
  if (!before || !after) return undefined;
  const missing = V6 - before.length - after.length;
  // "::" stands for at least one group (RFC 4291 §2.2)
  if (tail === undefined ? missing !== 0 : missing < 2) return undefined;
  return Buffer.from([...before, ...new Array<number>(missing).fill(0), ...after]);
}

/** The bytes of groups between colons; the last one may be an IPv4 address when `last` says that the text ends there. */
function groups(text: string, last: boolean): readonly number[] | undefined {
  if (text === "") return [];
  const bytes: number[] = [];
  const parts = text.split(":");
  for (const [at, part] of parts.entries()) {
    const v4 = last && at === parts.length - 1 ? v4Bytes(part) : undefined;
    if (v4) bytes.push(...v4);
    else if (/^[0-9A-Fa-f]{1,4}$/.test(part)) {
      const group = Number.parseInt(part, 16);
      bytes.push(group >> 8, group & 255);
    } else return undefined;
  }
  return bytes;
}

/** An address as text from its 4 or 16 bytes (RFC 5952). */
export function formatAddress(bytes: Buffer): string {
  if (bytes.length === V4) return bytes.join(".");
  const words = Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(2 * at).toString(16));
  let [start, length] = [0, 0];
  for (let from = 0; from < words.length; from++) {
    let to = from;
    while (words[to] === "0") to++;
    // RFC 5952 §4.2: the longest run, the first of equal ones, never a single group
    if (to - from > Math.max(length, 1)) [start, length] = [from, to - from];
  }
  if (length === 0) return words.join(":");
  return `${words.slice(0, start).join(":")}::${words.slice(start + length).join(":")}`;
}

/** The address with only its first `bits` bits kept: where the network of that size begins. */
export const firstBits = (address: Buffer, bits: number): Buffer =>
  Buffer.from(address.map((byte, at) => byte & maskAt(bits, at)));

/** The network an address counts for: its /24 (IPv4) or /64 (IPv6), as a text; what is no address stands for itself. */
export function networkOf(address: string): string {
  if (!address.includes(":")) return address.slice(0, address.lastIndexOf(".") + 1);
  const bytes = addressBytes(address);
  if (!bytes) return address;
  return bytes.length === V4 ? `${bytes.subarray(0, 3).join(".")}.` : bytes.toString("latin1", 0, 8);
}

interface Range {
  readonly bytes: Buffer;
  readonly bits: number;
}

/** "192.0.2.0/24", "2001:db8::/32", or one address; a sentence's end on what was expected otherwise. */
export function parseNetwork(text: string): Result<Range> {
  const [address = "", length, ...more] = text.split("/");
  const bytes = more.length === 0 ? addressBytes(address) : undefined;
  if (!bytes) return err('expected an address or a network such as "192.0.2.0/24" or "2001:db8::/32"');
  const most = 8 * bytes.length;
  // of a mapped address only the last 32 bits are left
  const shift = address.includes(":") && bytes.length === V4 ? 8 * MAPPED.length : 0;
  const bits = length === undefined ? most : Number(length) - shift;
  if (length !== undefined && (!/^\d{1,3}$/.test(length) || bits < 0 || bits > most))
    return err(`expected a prefix length from ${shift} to ${most + shift} in "${text}"`);
  const beyond = bytes.some((byte, at) => (byte & ~maskAt(bits, at)) !== 0);
  if (beyond) return err(`"${address}" has bits beyond its first ${length}: no network begins there`);
  return ok({ bytes, bits });
}

/** The bits of byte `at` that belong to a prefix of `bits`. */
const maskAt = (bits: number, at: number): number =>
  (0xff00 >> Math.min(8, Math.max(0, bits - 8 * at))) & 0xff;

/** A set of networks. Texts that are none (they were checked before) hold nothing. */
export class Networks {
  readonly #ranges: readonly Range[];

  constructor(texts: readonly string[]) {
    this.#ranges = texts.flatMap((text) => {
      const network = parseNetwork(text);
      return network.ok ? [network.value] : [];
    });
  }

  get empty(): boolean {
    return this.#ranges.length === 0;
  }

  /** Whether the address lies in one of them. */
  has(address: string): boolean {
    if (this.empty) return false;
    const bytes = addressBytes(address);
    return bytes !== undefined && this.#ranges.some((range) => inRange(bytes, range));
  }
}

function inRange(address: Buffer, { bytes, bits }: Range): boolean {
  if (address.length !== bytes.length) return false;
  for (let at = 0; 8 * at < bits; at++)
    if ((((address[at] ?? 0) ^ (bytes[at] ?? 0)) & maskAt(bits, at)) !== 0) return false;
  return true;
}
