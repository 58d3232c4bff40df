// The variables that rules set for a client: which ones Kenro knows, and what their values mean.

import { limits } from "#base/limits.ts";

/** An entry of ACCEPTDOMAINS: "@domain" is that domain, ".suffix" every domain that ends so. */
export type AcceptedDomain =
  | { readonly kind: "domain"; readonly domain: string }
  | { readonly kind: "suffix"; readonly suffix: string };

export type Blocklisted =
  | { readonly kind: "accept" }
  | { readonly kind: "refuse"; readonly permanent: boolean; readonly text: string };

export interface KnownVariables {
  /** RELAYCLIENT: may send to anybody; the text is put behind every recipient (as a rule there is none). Switches the checks of senders off. */
  readonly relayClient: string | undefined;
  /** RELIABLECLIENT: switches the checks of senders off. */
  readonly reliableClient: boolean;
  /** ACCEPTDOMAINS: sender domains that are taken from this client even if a list refuses them. */
  readonly acceptDomains: readonly AcceptedDomain[];
  /** ADONLY: all other sender domains are refused. */
  readonly acceptedDomainsOnly: boolean;
  /** DATABYTES: the largest message in bytes; 0 is no limit. */
  readonly dataBytes: number | undefined;
  /** BADHOST: this client is refused, and why. */
  readonly badHost: string | undefined;
  /** RBLSMTPD: the verdict that block lists would give. */
  readonly blocklisted: Blocklisted | undefined;
  /** GREETDELAY: ms before the greeting. */
  readonly greetDelay: number | undefined;
  /** INTRANET: passwords may come in clear. */
  readonly intranet: boolean;
}

type Reader = (value: string) => string | Partial<KnownVariables>;

const second = 1000;
/** Digits whose number is exact. */
const NUMBER = /^\d{1,15}$/;

/** What a value means, or what is wrong with it. */
const readers: Readonly<Record<string, Reader>> = {
  // with it a recipient must still be an address
  RELAYCLIENT: (relayClient) =>
    /^[!#-;=?-[\]-~]{0,200}$/.test(relayClient)
      ? { relayClient }
      : "give at most 200 letters, digits and signs that may stand in an address",
  RELIABLECLIENT: () => ({ reliableClient: true }),
  ACCEPTDOMAINS: (value) => {
    const entries = value.split("/").map(acceptedDomain);
    if (entries.includes(undefined)) return 'give "@domain" or ".suffix", with "/" between them';
    return { acceptDomains: entries.filter((entry) => entry !== undefined) };
  },
  ADONLY: () => ({ acceptedDomainsOnly: true }),
  DATABYTES: (value) => (NUMBER.test(value) ? { dataBytes: Number(value) } : "give a number of bytes"),
  BADHOST: (badHost) => ({ badHost }),
  RBLSMTPD: (value) => ({ blocklisted: blocklisted(value) }),
  GREETDELAY: (value) => {
    const ms = NUMBER.test(value) ? Number(value) * second : Number.NaN;
    const most = limits.rules.greetDelay;
    return ms <= most ? { greetDelay: ms } : `give a number of seconds up to ${most / second}`;
  },
  INTRANET: () => ({ intranet: true }),
};

function acceptedDomain(entry: string): AcceptedDomain | undefined {
  const text = entry.toLowerCase();
  if (!/^[@.][^@/,\s]+$/.test(text)) return undefined;
  return text.startsWith("@") ? { kind: "domain", domain: text.slice(1) } : { kind: "suffix", suffix: text };
}

/** Whether a sender's domain is one of those that ACCEPTDOMAINS names. */
export function acceptsDomain(entries: readonly AcceptedDomain[], domain: string): boolean {
  const lower = domain.toLowerCase();
  return entries.some((entry) =>
    entry.kind === "domain" ? entry.domain === lower : lower.endsWith(entry.suffix),
  );
}

/** As rblsmtpd: empty accepts, a minus sign makes the refusal permanent. */
function blocklisted(value: string): Blocklisted {
  if (value === "") return { kind: "accept" };
  const permanent = value.startsWith("-");
  return { kind: "refuse", permanent, text: permanent ? value.slice(1) : value };
}

const none: KnownVariables = {
  relayClient: undefined,
  reliableClient: false,
  acceptDomains: [],
  acceptedDomainsOnly: false,
  dataBytes: undefined,
  badHost: undefined,
  blocklisted: undefined,
  greetDelay: undefined,
  intranet: false,
};

/** The variables we know as one object, and one sentence for each whose value makes no sense (it is then as if not set). */
export function knownVariables(variables: ReadonlyMap<string, string>): {
  readonly known: KnownVariables;
  readonly problems: readonly string[];
} {
  let known = none;
  const problems: string[] = [];
  for (const [name, value] of variables) {
    const read = Object.hasOwn(readers, name) ? readers[name]?.(value) : undefined;
    if (typeof read === "string") problems.push(`${name}: ${read}`);
    else known = { ...known, ...read };
  }
  return { known, problems };
}
