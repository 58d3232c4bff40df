// Request: the commands a client sends, and the paths in them. Nothing that comes from a message's envelope can end a line here.

import { domainToASCII } from "node:url";
import { err, ok, type Result } from "#base/result.ts";
import { beyondAscii, splitAddress } from "#wire/envelope.ts";
import { formatNotify, formatOriginal, type Notify } from "./dsnparams.ts";
import { formatXtext } from "./xtext.ts";

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

/** The same address for a server without SMTPUTF8: its domain in A-labels (RFC 5891); undefined when its local part needs UTF-8. */
export function asciiAddress(address: string): string | undefined {
  if (!beyondAscii(address)) return address;
  const { local, domain } = splitAddress(address);
  const ascii = domainToASCII(domain);
  return beyondAscii(local) || ascii === "" ? undefined : `${local}@${ascii}`;
}

/** What goes with MAIL; what is missing is not sent. */
export interface MailParameters {
  /** RFC 1870. */
  readonly size?: number | undefined;
  /** RFC 6152, RFC 3030. */
  readonly body?: "8BITMIME" | "BINARYMIME" | undefined;
  /** RFC 6531. */
  readonly utf8?: boolean;
  /** RFC 3461 §4.3, §4.4. */
  readonly ret?: "full" | "headers" | undefined;
  readonly envid?: string | undefined;
  /** BY (RFC 2852 §4): seconds from now, below zero when they have passed. */
  readonly by?:
    | { readonly seconds: number; readonly mode: "return" | "notify"; readonly trace: boolean }
    | undefined;
  /** RFC 8689. */
  readonly requireTls?: boolean;
  /** RFC 6710. */
  readonly priority?: number | undefined;
}

/** RFC 3461 §4.2, §4.4: the longest values. One that has become longer by our encoding is better missing than refused. */
const MOST = { envid: 100, original: 500 } as const;

const ret = { full: "FULL", headers: "HDRS" } as const;

/** MAIL with its parameters; `sender` as `formatAddress` gave it. */
export function formatMail(sender: string, given: MailParameters): string {
  const { by } = given;
  const envid = formatXtext(given.envid ?? "");
  const parameters = [
    given.size !== undefined && `SIZE=${given.size}`,
    given.body && `BODY=${given.body}`,
    given.utf8 && "SMTPUTF8",
    given.ret && `RET=${ret[given.ret]}`,
    envid !== "" && envid.length <= MOST.envid && `ENVID=${envid}`,
    given.requireTls && "REQUIRETLS",
    by && `BY=${by.seconds};${by.mode === "return" ? "R" : "N"}${by.trace ? "T" : ""}`,
    given.priority !== undefined && `MT-PRIORITY=${given.priority}`,
  ];
  return `${[`MAIL FROM:<${sender}>`, ...parameters.filter(Boolean)].join(" ")}\r\n`;
}

/** What goes with RCPT (RFC 3461 §4.1, §4.2); what is missing is not sent. */
export interface RcptParameters {
  readonly notify?: Notify | undefined;
  /** `type;address`. */
  readonly original?: string | undefined;
  /** The server takes letters beyond ASCII. */
  readonly utf8?: boolean;
}

/** RCPT with its parameters; `recipient` as `formatAddress` gave it. */
export function formatRcpt(
  recipient: string,
  { notify, original, utf8 = false }: RcptParameters = {},
): string {
  const orcpt = original === undefined ? "" : formatOriginal(original, utf8);
  const parameters = [
    notify && `NOTIFY=${formatNotify(notify)}`,
    orcpt !== "" && orcpt.length <= MOST.original && `ORCPT=${orcpt}`,
  ];
  return `${[`RCPT TO:<${recipient}>`, ...parameters.filter(Boolean)].join(" ")}\r\n`;
}
