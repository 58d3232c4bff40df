// Addresses as qmail has them in envelopes and queues, without quotes and sometimes without a host, as ours; bytes, one a character.

import { quoteAddress } from "../message/tokens.ts";
import { parseAddress } from "../smtp/path.ts";

/** Undefined: no server would take it. `bareHost` is that of an address without one. */
export function addressFromQmail(given: string, bareHost: string): string | undefined {
  if (/^postmaster$/i.test(given)) return "postmaster";
  const whole = given.includes("@") ? given : `${given}@${bareHost}`;
  const found = parseAddress(Buffer.from(quoteAddress(whole), "latin1").toString(), { utf8: true });
  return found.ok ? found.value.address : undefined;
}

/** Senders: the null sender, and those that stand for more than an address (`#@[]`, VERP), stay as they are. */
export const senderFromQmail = (given: string, bareHost: string): string | undefined =>
  given === "" || /^[!-~]+@\[\]$/.test(given) ? given : addressFromQmail(given, bareHost);
