// Domains and address literals as they stand in paths (RFC 5321 §4.1.2, §4.1.3), and international names (RFC 6531 §3.3). One domain has
// one form here: lower case, in ASCII.

import { domainToASCII, domainToUnicode } from "node:url";
import { limits } from "#base/limits.ts";

const LABEL = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;

/** Whether a text is a domain name as RFC 5321 §4.1.2 writes it (letters, digits, hyphens; labels up to 63). */
export function isDomain(text: string): boolean {
  return text.length <= limits.smtp.domain && text.split(".").every((label) => LABEL.test(label));
}

/**
 * What may stand in a U-label (RFC 5892): letters, marks and digits, and what some scripts write between them. Symbols may not, though
 * browsers take them.
 */
const U_LABEL = /^(?!-)(?:[a-z0-9\p{L}\p{M}\p{Nd}\u00b7\u0375\u05f3\u05f4\u30fb-]|\u200c|\u200d)+(?<!-)$/u;

/** The A-label of a label in UTF-8 (RFC 5890 §2.3.2.1), or undefined when it is no U-label. */
function aLabel(label: string): string | undefined {
  // people write capitals, and keyboards accents apart from their letters; every other mapping would make two names of one
  const folded = label.normalize("NFC").toLowerCase();
  if (!U_LABEL.test(folded)) return undefined;
  const ascii = domainToASCII(folded);
  return ascii.startsWith("xn--") && ascii.length <= 63 && domainToUnicode(ascii) === folded
    ? ascii
    : undefined;
}

/** The canonical form of a domain or address literal: lower case, A-labels for U-labels. Undefined when it is none. */
export function canonicalDomain(text: string): string | undefined {
  if (text.startsWith("[")) return isAddressLiteral(text) ? text.toLowerCase() : undefined;
  if (isDomain(text)) return text.toLowerCase();
  if (!/[^\x00-\x7f]/.test(text)) return undefined;
  const labels = text
    .split(".")
    .map((label) => (LABEL.test(label) ? label.toLowerCase() : (aLabel(label) ?? "")));
  const domain = labels.join(".");
  return isDomain(domain) ? domain : undefined;
}

const OCTET = "(?:25[0-5]|2[0-4]\\d|1?\\d{1,2})";
const IPV4 = new RegExp(`^${OCTET}(?:\\.${OCTET}){3}$`);
const GROUP = /^[0-9A-Fa-f]{1,4}$/;

/** Whether a text is `[192.0.2.1]` or `[IPv6:2001:db8::1]`: RFC 5321 §4.1.3. */
export function isAddressLiteral(text: string): boolean {
  if (!text.startsWith("[") || !text.endsWith("]")) return false;
  const inner = text.slice(1, -1);
  return /^ipv6:/i.test(inner) ? isIpv6(inner.slice(5)) : IPV4.test(inner);
}

/** RFC 5321 §4.1.3: "::" stands for at least two groups; an IPv4 address at the end for the last two. */
function isIpv6(text: string): boolean {
  const halves = text.split("::");
  if (halves.length > 2) return false;
  const groups = halves.map((half) => (half === "" ? [] : half.split(":")));
  const all = groups.flat();
  const tail = all.at(-1);
  const v4 = tail !== undefined && groups.at(-1)?.length !== 0 && IPV4.test(tail);
  if (!(v4 ? all.slice(0, -1) : all).every((group) => GROUP.test(group))) return false;
  const count = all.length + (v4 ? 1 : 0);
  return halves.length === 2 ? count <= 6 : count === 8;
}
