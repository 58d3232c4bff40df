// Resolver: DNS with three answers: found, none, try later.

import { Resolver as DnsResolver } from "node:dns/promises";
import { isIP } from "node:net";
import { limits } from "#base/limits.ts";
import { codeOf } from "#base/problem.ts";

export type Found<T> =
  | { readonly kind: "found"; readonly values: readonly T[] }
  | { readonly kind: "none" }
  | { readonly kind: "later" };

export interface Exchanger {
  readonly host: string;
  readonly preference: number;
}

export interface Resolver {
  mx(domain: string): Promise<Found<Exchanger>>;
  /** IPv6 and IPv4; an address is itself. */
  addresses(host: string): Promise<Found<string>>;
}

/** Codes that say "there is none"; everything else may be different later. */
const NONE = new Set(["ENOTFOUND", "ENODATA"]);

async function ask<T>(question: () => Promise<readonly T[]>): Promise<Found<T>> {
  try {
    const values = (await question()).slice(0, limits.dns.records);
    return values.length > 0 ? { kind: "found", values } : { kind: "none" };
  } catch (thrown) {
    return { kind: NONE.has(codeOf(thrown) ?? "") ? "none" : "later" };
  }
}

/** Asks these servers ("address:port"), or the system's when there are none. */
export function dnsResolver(servers: readonly string[]): Resolver {
  const dns = new DnsResolver({ timeout: limits.dns.timeout, tries: limits.dns.attempts });
  if (servers.length > 0) dns.setServers([...servers]);
  return {
    mx: (domain) =>
      ask(async () =>
        (await dns.resolveMx(domain)).map(({ exchange, priority }) => ({
          host: exchange,
          preference: priority,
        })),
      ),
    addresses: async (host) => {
      if (isIP(host)) return { kind: "found", values: [host] };
      const [v4, v6] = await Promise.all([ask(() => dns.resolve4(host)), ask(() => dns.resolve6(host))]);
      const values = [v4, v6].flatMap((found) => (found.kind === "found" ? found.values : []));
      if (values.length > 0) return { kind: "found", values };
      return { kind: v4.kind === "later" || v6.kind === "later" ? "later" : "none" };
    },
  };
}
