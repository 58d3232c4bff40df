// Addresses as the directory knows them: what an account may be called, how two spellings are compared, where its mail lies.

import { domainToASCII } from "node:url";
import { limits } from "#base/limits.ts";
import { err, ok, type Result } from "#base/result.ts";
import { parseAddress } from "#wire/smtp/path.ts";

export interface AccountAddress {
  /** `local@domain`, folded. */
  readonly address: string;
  readonly local: string;
  readonly domain: string;
}

/** RFC 1123 §2.1, and at least one dot is not demanded: "localhost" is a domain too. */
const DOMAIN = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;

/** RFC 5322 §3.2.3: dot-atom, and RFC 6531 §3.3: with UTF-8. Quoted local parts can only be read, not made. */
const LOCAL =
  /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u{a1}-\u{10ffff}-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u{a1}-\u{10ffff}-]+)*$/u;

/** A local part as it is compared: RFC 5321 §2.4 lets the host that receives decide, and people do not tell "Ann" from "ann". */
export const foldLocal = (local: string): string => local.normalize("NFC").toLowerCase();

/** RFC 5321 §4.1.2: "ann"@ and ann@ are the same mailbox, and a backslash in quotes only makes the next sign plain. */
export const unquoteLocal = (local: string): string =>
  local.length > 1 && local.startsWith('"') && local.endsWith('"')
    ? local.slice(1, -1).replaceAll(/\\(.)/gs, "$1")
    : local;

/** A domain as it is compared: in lower case, international names as A-labels (RFC 5891 §5.3); "" when it is none. */
export const foldDomain = (domain: string): string =>
  /^[\x21-\x7e]*$/.test(domain) ? domain.toLowerCase() : domainToASCII(domain);

/** The domain in its folded form, or what is wrong with it. */
export function parseDomain(given: string): Result<string> {
  const domain = foldDomain(given.trim());
  if (domain.length > limits.smtp.domain || !DOMAIN.test(domain))
    return err(`"${given}" is not a domain such as "example.org"`);
  return ok(domain);
}

/** The address of an account in its folded form, or what is wrong with it. */
export function parseAccount(given: string): Result<AccountAddress> {
  const at = given.lastIndexOf("@");
  if (at < 1) return err(`"${given}" is not an address such as "ann@example.org"`);
  const domain = parseDomain(given.slice(at + 1));
  if (!domain.ok) return domain;
  const local = foldLocal(given.slice(0, at));
  if (!LOCAL.test(local))
    return err(
      `"${given.slice(0, at)}" cannot be the name of an account: give one such as "ann" or "ann.lee"`,
    );
  if (Buffer.byteLength(local) > limits.smtp.localPart)
    return err(`"${local}" is longer than ${limits.smtp.localPart} bytes`);
  return ok({ address: `${local}@${domain.value}`, local, domain: domain.value });
}

/** An address that mail may go on to, here or elsewhere; the domain as it is compared. */
export function parseTarget(given: string): Result<string> {
  const parsed = parseAddress(given.trim(), { utf8: true });
  return parsed.ok ? ok(parsed.value.address) : err(`"${given}" is not an address such as "ann@example.org"`);
}

/** What follows the name of an account in an extension address, in its folded form: letters, digits and such, with dots and dashes between them. */
export function parseExtension(given: string): Result<string> {
  const ext = foldLocal(given);
  return LOCAL.test(ext) && Buffer.byteLength(ext) < limits.smtp.localPart
    ? ok(ext)
    : err(`"${given}" cannot be an extension: give one such as "shop" or "lists-news"`);
}

/** The ways to read a local part as a name and an extension, the longest name first: `a-b-c` is `a-b` with `c`, or `a` with `b-c`. */
export function* extensionsOf(
  local: string,
  marks: string,
): Iterable<{ readonly name: string; readonly ext: string }> {
  for (let at = local.length - 1; at > 0; at--)
    if (marks.includes(local[at] ?? "")) yield { name: local.slice(0, at), ext: local.slice(at + 1) };
}

/**
 * The names of instructions for an extension, the best first, as qmail-local looks for `.qmail-ext` and `.qmail-…default` (dots are colons there). `rest` is
 * what "default" stands for; undefined: the whole name was there.
 */
export function* instructionNames(
  ext: string,
): Iterable<{ readonly name: string; readonly rest: string | undefined }> {
  const safe = ext.replaceAll(".", ":");
  yield { name: safe, rest: undefined };
  if (ext === "") return;
  for (let at = safe.length; at > 0; at--)
    if (safe[at - 1] === "-") yield { name: `${safe.slice(0, at)}default`, rest: ext.slice(at) };
  yield { name: "default", rest: ext };
}

/** Bytes that stand for themselves in a directory name. A "%" of the name itself becomes "%25", so that no two names meet. */
const SAFE = /^[a-z0-9_+=~-]$/;

/** One path component for any text: no "/", no NUL, no leading dot, at most three bytes for each byte. */
export function safeName(name: string): string {
  let safe = "";
  for (const byte of Buffer.from(name)) {
    const char = String.fromCharCode(byte);
    const plain = SAFE.test(char) || (char === "." && safe !== "");
    safe += plain ? char : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return safe;
}

/** Where an account's mail lies, relative to the data directory. */
export const maildirOf = (local: string, domain: string): string =>
  `mail/${safeName(domain)}/${safeName(local)}/Maildir`;

/** Where the mail of all accounts of a domain lies. */
export const domainMail = (domain: string): string => `mail/${safeName(domain)}`;
