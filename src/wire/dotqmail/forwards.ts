// Addresses of & lines as envelopes can have them.

import { limits } from "#base/limits.ts";
import { err, ok, type Result } from "#base/result.ts";
import { refusals } from "./instructions.ts";

/** The longest that an envelope takes. */
const LONGEST = 512;

/** All of them, those without a domain completed by this one (qmail's envnoathost); an error when one of them is no address. */
export function completeForwards(addresses: readonly string[], domain: string): Result<readonly string[]> {
  const completed: string[] = [];
  for (const address of addresses) {
    const whole = address.includes("@") ? address : `${address}@${domain}`;
    if (address === "" || whole.length > LONGEST || /[\x00-\x1f\x7f]/.test(whole))
      return err(
        `Unable to forward message: ${JSON.stringify(address.slice(0, 100))} is no address. (#4.1.3)`,
      );
    completed.push(whole);
  }
  const unique = [...new Set(completed)];
  const bytes = unique.reduce((sum, address) => sum + Buffer.byteLength(address), 0);
  return bytes > limits.forward.addresses ? err(refusals.many) : ok(unique);
}
