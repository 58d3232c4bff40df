// Via: which of the site's own routes mail takes (smtproutes), and what a connection on it says and how it is protected.

import { domainToASCII } from "node:url";
import type { RouteSlice } from "#config/slice.ts";

/** What a server is told of us, and in which protocol. */
export interface Manner {
  readonly protocol: "smtp" | "lmtp";
  /** Name in EHLO or LHLO. */
  readonly hello: string;
  /** Local address, "" for the system's choice. */
  readonly source: string;
  /** For AUTH; undefined: none. */
  readonly login?: { readonly user: string; readonly password: string } | undefined;
}

/** The same for connections of which one can stand for the other; the password changes nothing that the server sees. */
export const mannerKey = ({ protocol, hello, source, login }: Manner): string =>
  `${protocol} ${hello} ${source} ${login?.user ?? ""}`;

export interface Destination {
  readonly domain: string;
  /** Address of the sender, "" for none. */
  readonly sender: string;
}

/** The first route that fits; undefined: none does, so the exchangers of the domain are asked. */
export function routeFor(
  routes: readonly RouteSlice[],
  { domain, sender }: Destination,
): RouteSlice | undefined {
  return routes.find(
    ({ recipients, senders }) =>
      (recipients.length === 0 || recipients.some((pattern) => fitsDomain(pattern, domain))) &&
      (senders.length === 0 || senders.some((pattern) => fitsSender(pattern, sender))),
  );
}

const plain = (domain: string): string => {
  const ascii = /^[\x00-\x7f]*$/.test(domain) ? domain : domainToASCII(domain) || domain;
  return ascii.toLowerCase().replace(/\.$/, "");
};

/** "example.org" itself; ".example.org" all below it; "*" any. */
function fitsDomain(pattern: string, domain: string): boolean {
  if (pattern === "*") return domain !== "";
  const name = plain(domain);
  return pattern.startsWith(".") ? name.endsWith(plain(pattern)) : name === plain(pattern);
}

/** An address, a domain as above, or "<>" for reports. */
function fitsSender(pattern: string, sender: string): boolean {
  if (pattern === "<>") return sender === "";
  const at = sender.lastIndexOf("@");
  const domain = sender.slice(at + 1);
  const cut = pattern.lastIndexOf("@");
  if (cut < 0) return at >= 0 && fitsDomain(pattern, domain);
  return sender.slice(0, at) === pattern.slice(0, cut) && plain(domain) === plain(pattern.slice(cut + 1));
}
