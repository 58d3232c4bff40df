// Paths of MAIL and RCPT: `<local@domain>` as RFC 5321 §4.1.2 and RFC 6531 §3.3 write them, the null path, and `<Postmaster>` without a
// domain.

import { limits } from "#base/limits.ts";
import { err, ok, type Result } from "#base/result.ts";
import { canonicalDomain } from "./domain.ts";

/** A mailbox in its canonical form; only parsePath and parseAddress make one. */
export interface Mailbox {
  /** The meaning of the local part: without quotes and backslashes. */
  readonly local: string;
  /** In lower case and ASCII; an address literal in its brackets. */
  readonly domain: string;
  /** `local@domain`, the local part quoted where it must be; otherwise as it was given, because only its own host may fold it. */
  readonly address: string;
}

/** Why something is no path; `nonAscii` is one that SMTPUTF8 would allow. */
export type PathProblem = "syntax" | "local" | "domain" | "long" | "nonAscii";

export interface Path {
  /** undefined: the null path `<>`. */
  readonly mailbox: Mailbox | undefined;
  /** Whether it was written in ASCII; the mailbox may be in ASCII where it was not. */
  readonly ascii: boolean;
  /** What follows the path: "" or parameters behind a space. */
  readonly rest: string;
}

/** What else is a path, beside what RFC 5321 §4.1.2 says. */
export interface PathRules {
  /** `<Postmaster>` without a domain, at RCPT (RFC 5321 §4.1.1.3); it stays without. */
  readonly postmaster?: boolean;
  /** Letters beyond ASCII (RFC 6531 §3.3). */
  readonly utf8?: boolean;
}

/**
 * Beyond ASCII: letters, marks, digits, punctuation and symbols; no controls, separators and unassigned code points, and not U+FFFD,
 * which stands for bytes that are no UTF-8.
 */
const UTF8 = "(?![\\x00-\\xa0\\ufffd])(?:[\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}]|\\u200c|\\u200d)";
const ATOM = `(?:[A-Za-z0-9!#$%&'*+/=?^_\`{|}~-]|${UTF8})+`;
const DOT_STRING = new RegExp(`^${ATOM}(?:\\.${ATOM})*`, "u");
/** RFC 5321 §4.1.2: qtextSMTP or a quoted pair. */
const QUOTED = new RegExp(`^"(?:[ !#-[\\]-~]|\\\\[ -~]|${UTF8})*"`, "u");
const DOMAIN_RUN = /^(?:\[[^\]\\[ ]*\]|[A-Za-z0-9.\-\u0080-\u{10ffff}]+)/u;
const NON_ASCII = /[^\x00-\x7f]/;

/** RFC 5321 §4.1.1.3: a source route is recognized and dropped. */
const SOURCE_ROUTE = /^@[^@,:> ]+(?:,@[^@,:> ]+)*:/;

/** `<Postmaster>` without a domain: the one mailbox that every server has. */
const POSTMASTER: Mailbox = { local: "postmaster", domain: "", address: "postmaster" };

/** Reads `<path>` at the start of a text. */
export function parsePath(text: string, rules: PathRules = {}): Result<Path, PathProblem> {
  const found = takePath(text, rules);
  if (rules.utf8) return found;
  // whatever is wrong with a text beyond ASCII, that is what its sender must hear
  const ascii = found.ok ? found.value.ascii : !NON_ASCII.test(text);
  return ascii ? found : err("nonAscii");
}

/** Reads a text that is one mailbox and nothing else. */
export function parseAddress(text: string, rules: PathRules = {}): Result<Mailbox, PathProblem> {
  if (!rules.utf8 && NON_ASCII.test(text)) return err("nonAscii");
  const found = takeMailbox(text);
  if (!found.ok) return found;
  return found.value.length === text.length ? ok(found.value.mailbox) : err("syntax");
}

function takePath(text: string, { postmaster = false }: PathRules): Result<Path, PathProblem> {
  if (!text.startsWith("<")) return err("syntax");
  if (text.startsWith("<>")) return pathEnd(text, 2, undefined);
  const route = takeRoute(text.slice(1));
  if (!route.ok) return route;
  const start = 1 + route.value;
  if (postmaster && /^postmaster>/i.test(text.slice(start)))
    return pathEnd(text, start + "postmaster>".length, POSTMASTER);
  const found = takeMailbox(text.slice(start));
  if (!found.ok) return found;
  const close = start + found.value.length;
  return text[close] === ">" ? pathEnd(text, close + 1, found.value.mailbox) : err("syntax");
}

/** Characters of a source route: `@one,@two:` */
function takeRoute(text: string): Result<number, PathProblem> {
  const route = SOURCE_ROUTE.exec(text)?.[0] ?? "";
  const hosts = route === "" ? [] : route.slice(1, -1).split(",@");
  return hosts.every((host) => !host.startsWith("[") && canonicalDomain(host) !== undefined)
    ? ok(route.length)
    : err("domain");
}

function pathEnd(text: string, at: number, mailbox: Mailbox | undefined): Result<Path, PathProblem> {
  const rest = text.slice(at);
  if (rest !== "" && !rest.startsWith(" ")) return err("syntax");
  return ok({ mailbox, ascii: !NON_ASCII.test(text.slice(0, at)), rest: rest.trim() });
}

interface Taken {
  readonly mailbox: Mailbox;
  /** Characters it took. */
  readonly length: number;
}

/** A mailbox at the start of a text. Limits are counted in octets (RFC 6531 §3.3). */
function takeMailbox(text: string): Result<Taken, PathProblem> {
  const local = (text.startsWith('"') ? QUOTED : DOT_STRING).exec(text)?.[0];
  if (local === undefined) return err("local");
  const next = text[local.length];
  if (next !== "@") return err(next === "." ? "local" : "syntax");
  const domain = DOMAIN_RUN.exec(text.slice(local.length + 1))?.[0] ?? "";
  const canonical = canonicalDomain(domain);
  const localSize = Buffer.byteLength(local);
  // A-labels may be longer than what they stand for
  const domainSize = Math.max(Buffer.byteLength(domain), canonical?.length ?? 0);
  // RFC 5321 §4.5.3.1.3: 256 octets with the brackets; a route that we drop does not count
  const size = localSize + 1 + domainSize;
  if (localSize > limits.smtp.localPart || domainSize > limits.smtp.domain || size > limits.smtp.path)
    return err("long");
  if (canonical === undefined) return err("domain");
  const mailbox = mailboxOf(unquote(local), canonical);
  return ok({ mailbox, length: local.length + 1 + domain.length });
}

function mailboxOf(local: string, domain: string): Mailbox {
  return { local, domain, address: `${quote(local)}@${domain}` };
}

function unquote(local: string): string {
  return local.startsWith('"') ? local.slice(1, -1).replace(/\\(.)/g, "$1") : local;
}

/** RFC 5321 §4.1.2: quotes are used only where they are needed. */
function quote(local: string): string {
  return DOT_STRING.exec(local)?.[0] === local ? local : `"${local.replace(/["\\]/g, "\\$&")}"`;
}

/** An address as addresses are compared that belong to us: people do not tell "Ann" from "ann", nor two ways to write "ä". */
export const foldAddress = (address: string): string => address.normalize("NFC").toLowerCase();
