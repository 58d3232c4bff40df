// Request: the commands a client sends, and the paths in them. Nothing that comes from a message's envelope can end a line here.

import { err, ok, type Result } from "#base/result.ts";
import { splitAddress } from "#wire/envelope.ts";

/** RFC 5321 §4.1.2 Dot-string; RFC 6531 §3.3 adds everything beyond ASCII. */
const DOT_STRING =
  /^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~\u0080-\u{10ffff}]+(?:\.[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~\u0080-\u{10ffff}]+)*$/u;
/** RFC 5321 §4.1.2 Quoted-string. */
const QUOTED = /^"(?:[ !#-[\]-~\u0080-\u{10ffff}]|\\[ -~])*"$/u;
/** Domains and address literals; strict enough that nothing can stand in them that means something in a command. */
const DOMAIN = /^(?:[A-Za-z0-9._\-\u0080-\u{10ffff}]+|\[[A-Za-z0-9.:-]+\])$/u;
const CONTROLS = /[\x00-\x1f\x7f]/;

/** `local@domain` as it stands in a path: the local part quoted where RFC 5321 §4.1.2 wants it. "" stays "". */
export function formatAddress(address: string): Result<string> {
  if (address === "") return ok("");
  if (CONTROLS.test(address)) return err("the address has control characters");
  const { local, domain } = splitAddress(address);
  if (domain !== "" && !DOMAIN.test(domain)) return err("the address has no usable domain");
  const quoted =
    DOT_STRING.test(local) || QUOTED.test(local) ? local : `"${local.replaceAll(/["\\]/g, "\\$&")}"`;
  return ok(domain === "" ? quoted : `${quoted}@${domain}`);
}

/** A header field's value from an address: as above, and what cannot be written so is made harmless. */
export function harmlessAddress(address: string): string {
  const clean = address.replaceAll(/[\x00-\x1f\x7f]/g, "_");
  const formatted = formatAddress(clean);
  return formatted.ok ? formatted.value : clean;
}

/** Beyond ASCII: such an address needs a server that offers SMTPUTF8 (RFC 6531). */
export const beyondAscii = (address: string): boolean => /[^\x00-\x7f]/.test(address);

export interface MailParameters {
  /** RFC 1870; undefined: not sent. */
  readonly size?: number | undefined;
  /** BODY=8BITMIME (RFC 6152). */
  readonly eightBit?: boolean;
  /** RFC 6531. */
  readonly utf8?: boolean;
}

/** MAIL with its parameters; `sender` as `formatAddress` gave it. */
export function formatMail(sender: string, { size, eightBit, utf8 }: MailParameters): string {
  const parameters = [
    size === undefined ? "" : ` SIZE=${size}`,
    eightBit ? " BODY=8BITMIME" : "",
    utf8 ? " SMTPUTF8" : "",
  ];
  return `MAIL FROM:<${sender}>${parameters.join("")}\r\n`;
}

/** RCPT; `recipient` as `formatAddress` gave it. */
export const formatRcpt = (recipient: string): string => `RCPT TO:<${recipient}>\r\n`;
