// XCLIENT (Postfix's XCLIENT_README): what a proxy says of the client it speaks for. Attributes are NAME=value, values in xtext.

import { limits } from "#base/limits.ts";
import { addressBytes, formatAddress } from "#base/network.ts";
import { err, ok, type Result } from "#base/result.ts";
import { isDomain } from "./domain.ts";
import { parseXtext } from "./xtext.ts";

/** What was said; "" where the proxy says that it does not know. Undefined: nothing was said. */
export interface Claims {
  readonly name?: string;
  readonly address?: string;
  readonly port?: string;
  readonly protocol?: string;
  readonly hello?: string;
  readonly login?: string;
  readonly toAddress?: string;
  readonly toPort?: string;
}

interface Attribute {
  readonly field: keyof Claims;
  /** The value in its one form; undefined when it is none. */
  readonly read: (value: string) => string | undefined;
  /** Values that mean that there is none. */
  readonly none: RegExp;
}

/** "IPV6:" stands before IPv6 addresses, in any case. */
const readAddress = (value: string): string | undefined => {
  const bytes = addressBytes(value.replace(/^ipv6:/i, ""));
  return bytes && formatAddress(bytes);
};
const readPort = (value: string): string | undefined =>
  /^\d{1,5}$/.test(value) && Number(value) <= 65_535 ? String(Number(value)) : undefined;
const readName = (value: string): string | undefined => (isDomain(value) ? value : undefined);
const readWord = (value: string): string | undefined => (/^[!-~]+$/.test(value) ? value : undefined);
const readLogin = (value: string): string | undefined =>
  /^[^\p{C}\p{Z}\ufffd]+$/u.test(value) ? value : undefined;
const readProtocol = (value: string): string | undefined =>
  /^E?SMTP$/i.test(value) ? value.toUpperCase() : undefined;

/** What stands for a value that the proxy does not have. */
const UNAVAILABLE = /^\[UNAVAILABLE\]$/i;
const NO_NAME = /^\[(?:UNAVAILABLE|TEMPUNAVAIL)\]$/i;
const NEVER = /(?!)/;

const attributes: Readonly<Record<string, Attribute>> = {
  NAME: { field: "name", read: readName, none: NO_NAME },
  ADDR: { field: "address", read: readAddress, none: UNAVAILABLE },
  PORT: { field: "port", read: readPort, none: UNAVAILABLE },
  PROTO: { field: "protocol", read: readProtocol, none: NEVER },
  HELO: { field: "hello", read: readWord, none: UNAVAILABLE },
  LOGIN: { field: "login", read: readLogin, none: UNAVAILABLE },
  DESTADDR: { field: "toAddress", read: readAddress, none: UNAVAILABLE },
  DESTPORT: { field: "toPort", read: readPort, none: UNAVAILABLE },
};

/** Their names, as EHLO shows them. */
export const attributeNames = Object.keys(attributes).join(" ");

const SYNTAX = "Syntax: XCLIENT attribute=value ...";

/** Reads the argument of the command; an error is one sentence. An attribute given twice has its last value, as in Postfix. */
export function parseXclient(argument: string): Result<Claims> {
  const claims: Record<string, string> = {};
  for (const word of argument.split(/ +/)) {
    const claim = readClaim(word);
    if (!claim.ok) return claim;
    claims[claim.value.field] = claim.value.value;
  }
  return ok(claims);
}

function readClaim(word: string): Result<{ readonly field: keyof Claims; readonly value: string }> {
  const [, given = "", coded = ""] = /^([A-Za-z]+)=(.+)$/u.exec(word) ?? [];
  if (given === "") return err(SYNTAX);
  const name = given.toUpperCase();
  const attribute = Object.hasOwn(attributes, name) ? attributes[name] : undefined;
  if (!attribute) return err(`Unknown attribute ${name.slice(0, 20)}`);
  if (coded.length > limits.smtp.attribute) return err(`The value of ${name} is too long`);
  // some proxies (Postfix before 2.3) send values as they are
  const decoded = parseXtext(coded) ?? coded;
  const value = attribute.none.test(decoded) ? "" : attribute.read(decoded);
  return value === undefined ? err(`Bad value of ${name}`) : ok({ field: attribute.field, value });
}
