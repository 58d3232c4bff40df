// IP addresses: text ⇄ bytes, and the networks they are in. Text as people write it is read, text as RFC 5952 wants it is written.

/** 4 bytes or 16. */
export type Ip = Uint8Array;

const QUAD = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/;
const GROUP = /^[0-9a-f]{1,4}$/i;

/** An address, or undefined when the text is none. Octets have no leading zeros, because some read those as octal. */
export function parseIp(text: string): Ip | undefined {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

function parseIpv4(text: string): Ip | undefined {
  const octets = QUAD.exec(text)?.slice(1).map(Number);
  return octets?.every((octet) => octet <= 255) ? Uint8Array.from(octets) : undefined;
}

/** RFC 4291 §2.2. Zones (RFC 4007 §11) are no part of an address. */
function parseIpv6(text: string): Ip | undefined {
  const [head = "", tail, ...more] = text.split("::");
  if (more.length > 0) return undefined;
  const front = groupsOf(head, tail === undefined);
  const back = tail === undefined ? [] : groupsOf(tail, true);
  if (!front || !back) return undefined;
  const missing = 8 - front.length - back.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...front, ...Array.from({ length: missing }, () => 0), ...back];
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 255]));
}

/** Groups between colons; the last two may be written as an IPv4 address when they end the whole. */
function groupsOf(text: string, last: boolean): readonly number[] | undefined {
  if (text === "") return [];
  const parts = text.split(":");
  const quad = last ? parseIpv4(parts.at(-1) ?? "") : undefined;
  if (quad) parts.pop();
  if (!parts.every((part) => GROUP.test(part))) return undefined;
  const groups = parts.map((part) => Number.parseInt(part, 16));
  if (quad) for (const at of [0, 2]) groups.push(((quad[at] ?? 0) << 8) | (quad[at + 1] ?? 0));
  return groups;
}

/** RFC 5952 §4: lower case, no leading zeros, "::" for the first of the longest runs of zeros; §5 for IPv4 in IPv6. */
export function formatIp(ip: Ip): string {
  if (ip.length === 4) return ip.join(".");
  const plain = unmapped(ip);
  if (plain !== ip) return `::ffff:${plain.join(".")}`;
  const groups = groupsIn(ip);
  const run = longestZeros(groups);
  const hex = groups.map((group) => group.toString(16));
  if (run.length < 2) return hex.join(":");
  return `${hex.slice(0, run.start).join(":")}::${hex.slice(run.start + run.length).join(":")}`;
}

/** The eight groups of an IPv6 address. */
export const groupsIn = (ip: Ip): readonly number[] =>
  Array.from({ length: 8 }, (_, at) => ((ip[2 * at] ?? 0) << 8) | (ip[2 * at + 1] ?? 0));

interface Run {
  readonly start: number;
  readonly length: number;
}

function longestZeros(groups: readonly number[]): Run {
  let longest: Run = { start: 0, length: 0 };
  let length = 0;
  for (const [at, group] of groups.entries()) {
    length = group === 0 ? length + 1 : 0;
    if (length > longest.length) longest = { start: at + 1 - length, length };
  }
  return longest;
}

/** RFC 4291 §2.5.5.2: an IPv4 client of an IPv6 socket, as IPv4; every other address as it is. */
export function unmapped(ip: Ip): Ip {
  const mapped = ip.length === 16 && ip.every((byte, at) => at >= 12 || byte === (at < 10 ? 0 : 255));
  return mapped ? ip.subarray(12) : ip;
}

/** The address with only its first `bits` bits kept. */
export function networkOf(ip: Ip, bits: number): Ip {
  return ip.map((byte, at) => byte & (0xff00 >> Math.min(8, Math.max(0, bits - 8 * at))));
}
