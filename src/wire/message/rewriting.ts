// Which host an address gets, as qmail-inject decides (qmail-header(5)): without one the default host, with one without a dot the
// default domain, with one that ends in "+" the plus domain; source routes go.

import { parseTokens, type Rewrite, type Token } from "./tokens.ts";

export interface Hosts {
  /** Of an address without a host. */
  readonly defaultHost: string;
  /** Behind a host without a dot. */
  readonly defaultDomain: string;
  /** In the place of a "+" that ends a host. */
  readonly plusDomain: string;
}

/** What qmail's `config` makes of the name of a machine: the name without its first label, and its last two. */
export function hostsFor(hostname: string): Hosts {
  const labels = hostname.split(".");
  const rest = labels.slice(1).join(".");
  return {
    defaultHost: hostname,
    defaultDomain: rest.includes(".") ? rest : hostname,
    plusDomain: labels.slice(-2).join("."),
  };
}

/** Tokens of a suffix; undefined when it is none. */
function suffix(text: string): readonly Token[] | undefined {
  const tokens = parseTokens(text);
  return tokens.ok ? tokens.value : undefined;
}

/** Undefined when one of the hosts cannot stand in an address. */
export function rewriteBy({ defaultHost, defaultDomain, plusDomain }: Hosts): Rewrite | undefined {
  const host = suffix(`@${defaultHost}`);
  const domain = suffix(`.${defaultDomain}`);
  const plus = suffix(`.${plusDomain}`);
  if (!host || !domain || !plus) return undefined;
  return (address) => {
    if (isNowhere(address)) return address;
    const bare = withoutEnd(withoutEnd(withoutRoute(address), "."), "@");
    if (bare.length === 0) return bare;
    const full = bare.some(({ kind }) => kind === "@") ? bare : [...bare, ...host];
    const whole = withPlus(full, plus);
    return isComplete(whole) ? whole : [...whole, ...domain];
  };
}

/** `<>`, and `…@[]`, which qmail uses for senders that are not to be mailed. */
function isNowhere(address: readonly Token[]): boolean {
  const [at, last] = address.slice(-2);
  return address.length === 0 || (at?.kind === "@" && last?.kind === "literal" && last.text === "");
}

/** `@one,@two:user@host`; of one that has no end nothing is left. */
function withoutRoute(address: readonly Token[]): readonly Token[] {
  if (address[0]?.kind !== "@") return address;
  const colon = address.findIndex(({ kind }) => kind === ":");
  return colon < 0 ? [] : address.slice(colon + 1);
}

const withoutEnd = (address: readonly Token[], kind: "." | "@"): readonly Token[] =>
  address.at(-1)?.kind === kind ? address.slice(0, -1) : address;

function withPlus(address: readonly Token[], plus: readonly Token[]): readonly Token[] {
  const last = address.at(-1);
  if (last?.kind !== "atom" || !last.text.endsWith("+")) return address;
  return [...address.slice(0, -1), { kind: "atom", text: last.text.slice(0, -1) }, ...plus];
}

/** The host has a dot, or is a literal. */
function isComplete(address: readonly Token[]): boolean {
  const host = address.slice(address.findLastIndex(({ kind }) => kind === "@") + 1);
  return host.some(({ kind }) => kind === "." || kind === "literal");
}
