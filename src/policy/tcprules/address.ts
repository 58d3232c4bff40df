// What stands before the colon of a rule: ranges, the IPv6 and CIDR forms that plain tcprules does not know, and which addresses can match at all.

import { addressBytes, firstBits, formatAddress } from "#base/network.ts";
import { err, ok, type Result } from "#base/result.ts";

/** scan_ulong() of the original counts modulo 2⁶⁴; as 10⁶⁴ is a multiple of that, only so many digits count. */
const DIGITS_THAT_COUNT = 64;
const LAST_OCTET = 255n;

/**
 * The addresses that a range such as "1.2.3.37-53" or "10.2-3." stands for, exactly as tcprules expands them: one that runs backwards stands for none, and
 * what is no range stands for itself. Undefined when the minus sign is not between two numbers.
 */
export function expandRange(address: string): readonly string[] | undefined {
  const minus = address.indexOf("-");
  if (minus < 0 || address.includes("=") || address.includes("@")) return [address];
  const left = address.lastIndexOf(".", minus) + 1;
  const dot = address.indexOf(".", minus + 1);
  const right = dot < 0 ? address.length : dot;
  const bottom = numberOf(address.slice(left, minus));
  const top = numberOf(address.slice(minus + 1, right));
  if (bottom === undefined || top === undefined) return undefined;
  const last = top > LAST_OCTET ? LAST_OCTET : top;
  const expanded: string[] = [];
  for (let number = bottom; number <= last; number++)
    expanded.push(`${address.slice(0, left)}${number}${address.slice(right)}`);
  return expanded;
}

/** No digits are 0, and a NUL ends the text: the original reads C strings. */
function numberOf(text: string): bigint | undefined {
  const [digits = ""] = text.split("\0");
  if (!/^\d*$/.test(digits)) return undefined;
  return BigInt.asUintN(64, BigInt(digits.slice(-DIGITS_THAT_COUNT)));
}

/** Behind the text in a key that is a network: the number of its first bits that count. */
const NETWORK = /^([0-9a-f.:]+)\/(0|[1-9]\d{0,2})$/;

/** The bits and the family (4 or 6) of a key that is a network. */
export function networkBits(key: string): { readonly family: 4 | 6; readonly bits: number } | undefined {
  if (!key.includes("/")) return undefined;
  const [, network = "", length = ""] = NETWORK.exec(key) ?? [];
  const v6 = network.includes(":");
  const bits = Number(length);
  if (network === "" || bits > (v6 ? 128 : 32)) return undefined;
  return { family: v6 ? 6 : 4, bits };
}

/**
 * The key of an IPv6 rule: an address ("2001:db8::1", also behind "info@"), whole groups ("2001:db8:"), or a network ("2001:db8::/32"). However it is
 * written, the key is as RFC 5952 writes addresses, because clients are looked up so.
 */
export function ipv6Key(text: string): Result<string> {
  const at = text.lastIndexOf("@");
  const address = text.slice(at + 1).toLowerCase();
  const key = address.includes("/") ? networkKey(address) : (groupsKey(address) ?? addressKey(address));
  if (!key.ok) return key;
  if (at < 0) return key;
  if (addressBytes(key.value) === undefined)
    return err("only one address, not a network, can stand behind a user");
  return ok(`${text.slice(0, at)}@${key.value}`);
}

/** The bytes of an address, not those of an IPv4 client of an IPv6 socket. A zone ("%eth0") is no part of an address. */
function ipv6Bytes(text: string): Result<Buffer | undefined> {
  const bytes = text.includes("%") ? undefined : addressBytes(text);
  if (bytes?.length === 4) return err(`IPv4 is written as such: "${formatAddress(bytes)}"`);
  return ok(bytes);
}

function addressKey(text: string): Result<string> {
  const bytes = ipv6Bytes(text);
  if (!bytes.ok) return bytes;
  return bytes.value ? ok(formatAddress(bytes.value)) : err(`"${text}" is no IPv6 address`);
}

/** "2001:db8:" as "1.2." for IPv4. */
function groupsKey(text: string): Result<string> | undefined {
  if (!/^(?:[0-9a-f]{1,4}:){1,7}$/.test(text)) return undefined;
  const groups = text.slice(0, -1).split(":");
  return ok(`${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(":")}:`);
}

function networkKey(text: string): Result<string> {
  const [network = "", length = "", ...more] = text.split("/");
  const bytes = ipv6Bytes(network);
  if (!bytes.ok) return bytes;
  const bits = /^(?:0|[1-9]\d{0,2})$/.test(length) ? Number(length) : Number.NaN;
  if (!bytes.value || more.length > 0 || !(bits <= 128))
    return err(`"${text}" is no IPv6 network such as "2001:db8::/32"`);
  const first = firstBits(bytes.value, bits);
  if (first.equals(bytes.value)) return ok(`${formatAddress(first)}/${bits}`);
  return err(`"${text}" is inside of the network "${formatAddress(first)}/${bits}": write that`);
}

const OCTET = "(?:0|[1-9]\\d?|1\\d\\d|2[0-4]\\d|25[0-5])";
const OCTETS = new RegExp(`^(?:${OCTET}\\.){1,3}$`);
const NAME = /^\.?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/;

/** Why no client can ever match a key, or undefined. tcprules takes such rules without a word; they are slips of the pen. */
export function whyUseless(key: string): string | undefined {
  if (key === "" || key === "=" || OCTETS.test(key)) return undefined;
  if (/[\0-\x1f\x7f]/.test(key)) return "it has control characters";
  // only ipv6Key() makes keys with a colon, and only good ones
  if (key.includes(":")) return oneAddress(key);
  const at = key.lastIndexOf("@");
  if (at >= 0) return uselessBehindUser(key.slice(at + 1));
  if (key.startsWith("=")) return uselessName(key.slice(1));
  if (key.includes("/")) return uselessNetwork(key);
  if (addressBytes(key)) return undefined;
  if (OCTETS.test(`${key}.`)) return `write the network as "${key}."`;
  if (key !== key.trim()) return "it has a space too much";
  if (/^\.?[a-z0-9_-]+(?:\.[a-z0-9_-]+)+$/i.test(key) && /[a-z]/i.test(key))
    return `write a name as "=${key.toLowerCase()}"`;
  return "it is neither an address, a network nor a name";
}

/** No client has the first address of a network; who writes it means the network, as many bits as there are groups. */
function oneAddress(key: string): string | undefined {
  if (!key.endsWith("::") || key.includes("@")) return undefined;
  return `it is one address; write the network as "${key}/${16 * key.split(":").filter(Boolean).length}"`;
}

function uselessBehindUser(client: string): string | undefined {
  if (addressBytes(client)) return undefined;
  if (client.startsWith("=") && !client.startsWith("=.") && client.length > 1)
    return uselessName(client.slice(1));
  return "only one address or one name can stand behind a user";
}

function uselessName(name: string): string | undefined {
  if (NAME.test(name)) return undefined;
  if (NAME.test(name.toLowerCase()))
    return `names are compared in lower case: write "=${name.toLowerCase()}"`;
  if (NAME.test(name.replace(/^\*/, ""))) return `write all names below as "=${name.slice(1)}"`;
  if (NAME.test(name.replace(/\.$/, ""))) return "names end without a dot";
  return "it is not a name as DNS has them";
}

function uselessNetwork(key: string): string | undefined {
  const [address = ""] = key.split("/");
  const bytes = addressBytes(address);
  const found = networkBits(key);
  if (!bytes || !found) return 'it is no network such as "10.1.0.0/16"';
  const first = firstBits(bytes, found.bits);
  if (first.equals(bytes)) return undefined;
  return `it is inside of a network: write "${formatAddress(first)}/${found.bits}"`;
}

/** Networks that whole octets or groups name, longest first: "1.2.3." "1.2." "1."; "2001:db8:0:" … */
export function octetPrefixes(address: Buffer): readonly { readonly bits: number; readonly key: string }[] {
  const v4 = address.length === 4;
  const parts = v4
    ? [...address].map(String)
    : Array.from({ length: 8 }, (_, at) => address.readUInt16BE(2 * at).toString(16));
  const [separator, bits] = v4 ? [".", 8] : [":", 16];
  return Array.from({ length: parts.length - 1 }, (_, n) => parts.length - 1 - n).map((count) => ({
    bits: count * bits,
    key: parts.slice(0, count).join(separator) + separator,
  }));
}
