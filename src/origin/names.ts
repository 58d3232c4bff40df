// Domain names as they are compared and asked for.

import { domainToASCII } from "node:url";

const NAME = /^(?=.{1,253}$)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/;

/** IDNA of a text: "" when it is no name; ASCII stays as it is, because domainToASCII reads it as an URL's host. */
export function asciiDomain(text: string): string {
  return /^[\x00-\x7f]*$/.test(text) ? text : domainToASCII(text);
}

/**
 * A name of a host or domain in lower case, in A-labels, without a last dot. Undefined for anything else, also for a text that
 * would pass for an address ("192.0.2.1" as the name in a PTR record would resolve to itself).
 */
export function plainName(text: string): string | undefined {
  const name = asciiDomain(text).replace(/\.+$/, "").toLowerCase();
  // RFC 3696 §2: no top-level domain is a number
  return NAME.test(name) && !/(?:^|\.)\d+$/.test(name) ? name : undefined;
}
