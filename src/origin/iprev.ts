// The client's name: forward-confirmed reverse DNS (RFC 8601 §3). A name counts only when it resolves back to the address.

import { type Clock, systemClock, within } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { addressBytes, formatAddress } from "#base/network.ts";
import type { Answer, Resolver } from "#sys/resolver.ts";
import { ask } from "./ask.ts";
import { plainName } from "./names.ts";

export type ClientName =
  /** `name` is the first of the names that resolve back to the address. */
  | {
      readonly kind: "verified";
      readonly name: string;
      readonly names: readonly string[];
      /** All that resolve back, as far as answers came in time. */
      readonly verified: readonly string[];
    }
  /** There are PTR records, and none of their names resolves back: they say what the network's owner likes. */
  | { readonly kind: "unverified"; readonly names: readonly string[]; readonly why: string }
  /** No PTR record. */
  | { readonly kind: "none" }
  /** The DNS did not say. */
  | { readonly kind: "later"; readonly why: string };

/**
 * Finds the name of a client. IPv4 addresses in IPv6 clothes are looked up as IPv4. `names` are the names of the PTR records, in lower
 * case, without last dots, in alphabetical order (servers rotate them), at most `limits.iprev.names`; records that are no names
 * of hosts are left out. One name that the DNS cannot resolve now does not hide another that is verified; when none is, the
 * answer is "later". What is no address has no name. Never rejects.
 */
export async function clientName(
  address: string,
  resolver: Resolver,
  clock: Clock = systemClock,
): Promise<ClientName> {
  const bytes = addressBytes(address);
  if (!bytes) return { kind: "none" };
  const client = formatAddress(bytes);
  const found = await ask(clock, limits.iprev.time, () => resolver.ptr(client));
  if (found.kind !== "found") return found;
  const names = [...new Set(found.records.flatMap((record) => plainName(record) ?? []))]
    .sort()
    .slice(0, limits.iprev.names);
  if (names.length === 0) return { kind: "unverified", names, why: "its PTR records hold no name of a host" };
  return judge(names, await forward(names, bytes, { resolver, clock }));
}

interface World {
  readonly resolver: Resolver;
  readonly clock: Clock;
}

/** What the addresses of each name say, in the order of the names; undefined: not known in time. */
async function forward(
  names: readonly string[],
  client: Buffer,
  { resolver, clock }: World,
): Promise<readonly (Answer<string> | "verified" | undefined)[]> {
  const outcomes: (Answer<string> | "verified" | undefined)[] = names.map(() => undefined);
  const family = client.length === 4 ? "a" : "aaaa";
  const enough = Promise.withResolvers<void>();
  const checks = names.map(async (name, at) => {
    const answer = await ask(clock, limits.iprev.time, () => resolver[family](name));
    const same = answer.kind === "found" && answer.records.some((record) => isAddress(record, client));
    outcomes[at] = same ? "verified" : answer;
    if (same) enough.resolve();
  });
  const all = Promise.all(checks);
  await Promise.race([all, enough.promise]);
  // a name is known: slower ones are not worth the client's time
  await within(clock, limits.iprev.others, all, () => undefined);
  return [...outcomes];
}

const isAddress = (text: string, bytes: Buffer): boolean => addressBytes(text)?.equals(bytes) === true;

function judge(
  names: readonly string[],
  outcomes: readonly (Answer<string> | "verified" | undefined)[],
): ClientName {
  const verified = names.filter((_, at) => outcomes[at] === "verified");
  const [name] = verified;
  if (name !== undefined) return { kind: "verified", name, names, verified };
  for (const outcome of outcomes) {
    if (typeof outcome === "object" && outcome.kind === "later") return outcome;
  }
  const missing = outcomes.every((outcome) => typeof outcome === "object" && outcome.kind === "none");
  const [one = ""] = names;
  const subject = names.length === 1 ? `"${one}"` : `none of its ${names.length} names`;
  if (names.length > 1) return { kind: "unverified", names, why: `${subject} resolves back` };
  const why = missing ? `${subject} does not resolve` : `${subject} resolves to other addresses`;
  return { kind: "unverified", names, why };
}
