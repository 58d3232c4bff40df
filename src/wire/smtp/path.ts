// Paths of MAIL and RCPT: `<local@domain>` as RFC 5321 §4.1.2 writes them, the null path, and `<Postmaster>` without a domain.

import { limits } from "#base/limits.ts";
import { err, ok, type Result } from "#base/result.ts";

/** A mailbox in its canonical form; only parsePath and parseAddress make one. */
export interface Mailbox {
  /** The meaning of the local part: without quotes and backslashes. */
  readonly local: string;
  /** In lower case; an address literal in its brackets. */
  readonly domain: string;
  /** `local@domain`, the local part quoted where it must be; its case is kept. */
  readonly address: string;
}

/** Why something is no path; `nonAscii` is one that SMTPUTF8 would allow. */
export type PathProblem = "syntax" | "local" | "domain" | "long" | "nonAscii";

export interface Path {
  /** undefined: the null path `<>`. */
  readonly mailbox: Mailbox | undefined;
  /** What follows the path: "" or parameters behind a space. */
  readonly rest: string;
}

const ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
const DOT_STRING = new RegExp(`^${ATOM}(?:\\.${ATOM})*`);
/** RFC 5321 §4.1.2: qtextSMTP or a quoted pair; printable ASCII only. */
const QUOTED = /^"(?:[ !#-[\]-~]|\\[ -~])*"/;
const LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
const DOMAIN = new RegExp(`^${LABEL}(?:\\.${LABEL})*$`);
const DOMAIN_RUN = /^(?:\[[^\]\\[ ]*\]|[A-Za-z0-9.-]+)/;
const NON_ASCII = /[^\x00-\x7f]/;

/** RFC 5321 §4.1.1.3: a source route is recognized and dropped. */
const SOURCE_ROUTE = new RegExp(`^@${LABEL}(?:\\.${LABEL})*(?:,@${LABEL}(?:\\.${LABEL})*)*:`);

/** `<Postmaster>` without a domain: the one mailbox that every server has. */
const POSTMASTER: Mailbox = { local: "postmaster", domain: "", address: "postmaster" };

/**
 * Reads `<path>` at the start of a text. At RCPT there is one mailbox without a domain, `<Postmaster>` (RFC 5321 §4.1.1.3); it
 * stays without.
 */
export function parsePath(
  text: string,
  postmaster: "postmaster" | "none" = "none",
): Result<Path, PathProblem> {
  return explain(text, takePath(text, postmaster));
}

/** Reads a text that is one mailbox and nothing else. */
export function parseAddress(text: string): Result<Mailbox, PathProblem> {
  const found = takeMailbox(text);
  return explain(
    text,
    found.ok && found.value.length === text.length ? ok(found.value.mailbox) : problemOf(found),
  );
}

function problemOf(found: Result<Taken, PathProblem>): Result<never, PathProblem> {
  return found.ok ? err("syntax") : found;
}

/** Whatever is wrong with a text beyond ASCII, that is what its sender must hear. */
function explain<T>(text: string, result: Result<T, PathProblem>): Result<T, PathProblem> {
  return !result.ok && NON_ASCII.test(text) ? err("nonAscii") : result;
}

function takePath(text: string, postmaster: "postmaster" | "none"): Result<Path, PathProblem> {
  if (!text.startsWith("<")) return err("syntax");
  if (text.startsWith("<>")) return pathEnd(text, 2, undefined);
  const start = 1 + (SOURCE_ROUTE.exec(text.slice(1))?.[0].length ?? 0);
  if (postmaster === "postmaster" && /^postmaster>/i.test(text.slice(start)))
    return pathEnd(text, start + "postmaster>".length, POSTMASTER);
  const found = takeMailbox(text.slice(start));
  if (!found.ok) return found;
  const close = start + found.value.length;
  return text[close] === ">" ? pathEnd(text, close + 1, found.value.mailbox) : err("syntax");
}

function pathEnd(text: string, at: number, mailbox: Mailbox | undefined): Result<Path, PathProblem> {
  const rest = text.slice(at);
  return rest === "" || rest.startsWith(" ") ? ok({ mailbox, rest: rest.trim() }) : err("syntax");
}

interface Taken {
  readonly mailbox: Mailbox;
  /** Characters it took. */
  readonly length: number;
}

/** A mailbox at the start of a text. */
function takeMailbox(text: string): Result<Taken, PathProblem> {
  const local = (text.startsWith('"') ? QUOTED : DOT_STRING).exec(text)?.[0];
  if (local === undefined) return err("local");
  const next = text[local.length];
  if (next !== "@") return err(next === "." ? "local" : "syntax");
  const domain = DOMAIN_RUN.exec(text.slice(local.length + 1))?.[0] ?? "";
  const length = local.length + 1 + domain.length;
  // RFC 5321 §4.5.3.1.3: 256 octets with the brackets; a route that we drop does not count
  if (local.length > limits.smtp.localPart || domain.length > limits.smtp.domain || length > limits.smtp.path)
    return err("long");
  if (!isDomain(domain) && !isAddressLiteral(domain)) return err("domain");
  return ok({ mailbox: mailboxOf(unquote(local), domain), length });
}

function mailboxOf(local: string, domain: string): Mailbox {
  const lower = domain.toLowerCase();
  return { local, domain: lower, address: `${quote(local)}@${lower}` };
}

function unquote(local: string): string {
  return local.startsWith('"') ? local.slice(1, -1).replace(/\\(.)/g, "$1") : local;
}

/** RFC 5321 §4.1.2: quotes are used only where they are needed. */
function quote(local: string): string {
  return DOT_STRING.exec(local)?.[0] === local ? local : `"${local.replace(/["\\]/g, "\\$&")}"`;
}

/** Whether a text is a domain name as RFC 5321 §4.1.2 writes it (letters, digits, hyphens; labels up to 63). */
export function isDomain(text: string): boolean {
  return text.length <= limits.smtp.domain && DOMAIN.test(text);
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
