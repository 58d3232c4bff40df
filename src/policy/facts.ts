// Facts: what a rule may look at. Each is found out when the first rule asks for it, once, with a deadline; what depends on the client
// alone begins to resolve when it connects. Facts are grouped by what they are about: client, HELO, sender, recipient.

import { type Clock, within } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { addressBytes, formatAddress } from "#base/network.ts";
import { type ClientName, clientName } from "#origin/iprev.ts";
import type { Answer, MxRecord, Resolver } from "#sys/resolver.ts";
import { splitAddress } from "#wire/envelope.ts";
import type { Databases } from "./databases.ts";
import type { Exception } from "./exceptions/line.ts";
import type { Exceptions } from "./exceptions/table.ts";
import { isDynamic, type NamePatterns } from "./names.ts";
import type { KnownVariables } from "./tcprules/variables.ts";

/** What rules see of the world; all of it is injected. */
export interface World {
  readonly clock: Clock;
  readonly resolver: Resolver;
  readonly databases: Databases;
  /** What the administrator has allowed or denied, whatever the rules say. */
  readonly exceptions: Exceptions;
  /** How names of customers' lines look. */
  patterns(): Promise<NamePatterns>;
  readonly server: Server;
  /** tcprules: by address, and by name when it is verified. */
  access(address: string, name: string | undefined): Promise<Access>;
  /** Whether tcprules give some client a delay of its own, as far as they have been read. */
  greetDelays(): boolean;
  /** What was remembered of a client; rejects when the ledger is away. */
  readonly memory: Memory;
  /** Block and allow lists in DNS. */
  listings(address: string): Promise<readonly Listing[]>;
  spf(question: SpfQuestion): Promise<SpfFinding>;
  /** Addresses of ours, in lower case, that nobody uses and nobody was ever given. */
  readonly traps: ReadonlySet<string>;
}

export interface SpfQuestion {
  readonly address: string;
  /** "" is the null sender: then HELO is asked about (RFC 7208 §2.4). */
  readonly sender: string;
  readonly hello: string;
}

/** What SPF says, and what it is worth. */
export interface SpfFinding {
  readonly kind: "pass" | "fail" | "softfail" | "neutral" | "none" | "temperror" | "permerror";
  readonly evidence: string;
  /** A pass that lets everybody send: it vouches for nobody. */
  readonly everybody: boolean;
  /** The domain sends no mail at all (`v=spf1 -all`). */
  readonly never: boolean;
}

/** Who we are: clients that claim to be us lie. */
export interface Server {
  readonly hostname: string;
  /** IP addresses of ours, as far as they are known. */
  readonly addresses: ReadonlySet<string>;
  isLocal(domain: string): Promise<boolean>;
}

export interface Access extends KnownVariables {
  readonly denied: boolean;
  /** The rules that matched, for the record. */
  readonly evidence: string;
}

export interface Memory {
  meet(client: ClientFacts): Promise<Remembered>;
  /** Whether our users write to this address, or have taken mail from it. */
  correspondent(address: string): Promise<boolean>;
  greylist(client: string, sender: string, recipient: string): Promise<GreylistAnswer>;
  /** What is thought of the names in a session. */
  regard(names: Named): Promise<Regard>;
}

/** The names that a client gives, and what they are worth. */
export interface Named {
  readonly hello: string;
  /** HELO leads to the client. */
  readonly confirmed: boolean;
  /** The sender's domain when it vouches for the client, else "". */
  readonly domain: string;
}

/** From -10 (bad) to 10 (good). */
export interface Regard {
  readonly hello: number;
  readonly domain: number;
}

/** Nothing is known of the names. */
export const noRegard: Regard = { hello: 0, domain: 0 };

/** Somebody of whom nothing is remembered. */
export const stranger: Remembered = { ban: undefined, known: false, reputation: 0, guesses: 0 };

/** Remembers nobody. */
export const forgetful: Memory = {
  meet: async () => stranger,
  correspondent: async () => false,
  greylist: async () => ({ kind: "pass" }),
  regard: async () => noRegard,
};

export interface Remembered {
  readonly ban: { readonly until: number; readonly why: string } | undefined;
  /** Wanted mail came from it before. */
  readonly known: boolean;
  /** From -10 (bad) to 10 (good). */
  readonly reputation: number;
  /** Unknown recipients it asked for lately. */
  readonly guesses: number;
}

export type GreylistAnswer = { readonly kind: "pass" } | { readonly kind: "wait"; readonly until: number };

export interface Listing {
  readonly zone: string;
  readonly text: string;
  /** Points; negative for allow lists. */
  readonly weight: number;
}

export interface FactsOf {
  readonly connect: { readonly client: ClientFacts };
  readonly hello: FactsOf["connect"] & { readonly hello: HelloFacts };
  readonly sender: FactsOf["hello"] & { readonly sender: SenderFacts };
  readonly recipient: FactsOf["sender"] & { readonly recipient: RecipientFacts };
  readonly message: FactsOf["sender"] & { readonly message: MessageFacts };
}

/** What was seen of a message while it passed. */
export interface MessageFacts {
  /** Values of its From fields; of many only the first few. */
  readonly from: readonly string[];
  readonly hasDate: boolean;
  /** Its sender said SMTPUTF8: the header may be in UTF-8. */
  readonly utf8: boolean;
  /** Bytes beyond ASCII in its header section: none, UTF-8, something else. */
  readonly eightBit: "none" | "utf8" | "other";
  /** Levels of multiparts and messages within messages, counted a little beyond `limits.policy.mimeDepth`. */
  readonly depth: number;
}

/** Whether two texts are the same address. */
export function sameAddress(one: string, other: string): boolean {
  const [a, b] = [addressBytes(one), addressBytes(other)];
  return a !== undefined && b !== undefined && a.equals(b);
}

function once<T>(find: () => T): () => T {
  let found: { readonly value: T } | undefined;
  return () => {
    found ??= { value: find() };
    return found.value;
  };
}

/** What it is, or `late` when that takes too long or fails: a fact that nobody knows refuses no mail. */
const intime = <T>(clock: Clock, finding: Promise<T>, late: T): Promise<T> =>
  within(
    clock,
    limits.policy.fact,
    finding.catch(() => late),
    () => late,
  );

export class ClientFacts {
  readonly address: string;
  readonly world: World;
  /** It spoke when it should have listened; how. */
  early: string | undefined;
  /** Recipients that do not exist, in this session. */
  guesses = 0;

  constructor(world: World, address: string) {
    this.world = world;
    this.address = address;
  }

  /** A program on this machine: it needs no DNS to be known. */
  get isOurselves(): boolean {
    return this.#isOurselves();
  }

  readonly #isOurselves = once((): boolean => {
    const { addresses } = this.world.server;
    return this.address.startsWith("127.") || [...addresses].some((own) => sameAddress(own, this.address));
  });

  /** Reverse DNS, confirmed. */
  readonly name = once((): Promise<ClientName> => {
    if (this.isOurselves) {
      const names = ["localhost"];
      return Promise.resolve({ kind: "verified", name: "localhost", names, verified: names });
    }
    const finding = clientName(this.address, this.world.resolver);
    return intime(this.world.clock, finding, { kind: "later", why: "no answer in time" });
  });

  /** The verified name, if there is one. */
  readonly verifiedName = once(async (): Promise<string | undefined> => {
    const name = await this.name();
    return name.kind === "verified" ? name.name : undefined;
  });

  /** Certainly without a verified name: the stricter rules are for these. Names that DNS did not tell in time do not count. */
  readonly isUnnamed = once(async (): Promise<boolean> => {
    const { kind } = await this.name();
    return kind === "none" || kind === "unverified";
  });

  readonly access = once(
    async (): Promise<Access> => this.world.access(this.address, await this.verifiedName()),
  );

  /** The administrator's exception about its address, or about its verified name. One of them that denies it denies it. */
  readonly exception = once(async (): Promise<Exception | undefined> => {
    const { exceptions } = this.world;
    const address = await exceptions.find("client", this.address);
    if (address?.verdict === "deny") return address;
    const name = await this.verifiedName();
    const byName = name === undefined ? undefined : await exceptions.find("name", name);
    return byName?.verdict === "deny" ? byName : (address ?? byName);
  });

  /** The /24 or /64 the client is in: senders that retry often do so from a neighbour. */
  get network(): string {
    const bytes = addressBytes(this.address);
    if (!bytes) return this.address;
    const kept = bytes.length === 4 ? 3 : 8;
    return `${formatAddress(Buffer.concat([bytes.subarray(0, kept), Buffer.alloc(bytes.length - kept)]))}/${8 * kept}`;
  }

  readonly memory = once((): Promise<Remembered> => {
    return intime(this.world.clock, this.world.memory.meet(this), stranger);
  });

  readonly listings = once(
    (): Promise<readonly Listing[]> => intime(this.world.clock, this.world.listings(this.address), []),
  );

  /** What its verified name looks like: a number in a row of many. Undefined: it does not. */
  readonly dynamic = once(async (): Promise<string | undefined> => {
    const name = await this.verifiedName();
    return name === undefined ? undefined : isDynamic(name, this.address, await this.world.patterns());
  });
}

/** A HELO argument by its form. */
export type HelloForm = "name" | "dotless" | "literal" | "bareLiteral" | "other";

export class HelloFacts {
  readonly name: string;
  readonly form: HelloForm;
  /** The address of a literal. */
  readonly literal: string | undefined;
  readonly #client: ClientFacts;

  constructor(client: ClientFacts, name: string) {
    this.#client = client;
    this.name = name.toLowerCase().replace(/\.$/, "");
    const [, inBrackets] = /^\[(?:ipv6:)?(.*)\]$/.exec(this.name) ?? [];
    const address = inBrackets ?? this.name;
    this.literal = addressBytes(address) ? address : undefined;
    this.form = formOf(this.name, {
      literal: this.literal !== undefined,
      brackets: inBrackets !== undefined,
    });
  }

  /** Addresses of the name. */
  readonly addresses = once((): Promise<Answer<string>> => {
    const { resolver, clock } = this.#client.world;
    if (this.form !== "name") return Promise.resolve({ kind: "none" });
    return intime(clock, resolver.addresses(this.name), { kind: "later", why: "no answer in time" });
  });

  readonly exception = once(() => this.#client.world.exceptions.find("helo", this.name));

  /** The name, which does not look dynamic, leads to the client: it knows who it is. */
  readonly confirmed = once(async (): Promise<boolean> => {
    const { address, world } = this.#client;
    if (isDynamic(this.name, address, await world.patterns()) !== undefined) return false;
    const answer = await this.addresses();
    return answer.kind === "found" && answer.records.some((each) => sameAddress(each, address));
  });
}

function formOf(name: string, { literal, brackets }: { literal: boolean; brackets: boolean }): HelloForm {
  if (literal) return brackets ? "literal" : "bareLiteral";
  if (!/^[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?$/.test(name) || name.includes("..")) return "other";
  return name.includes(".") ? "name" : "dotless";
}

/** What is known of the domain that a sender claims. */
export type SenderDomain =
  | { readonly kind: "found"; readonly hosts: readonly string[] }
  | { readonly kind: "none" }
  /** RFC 7505: it takes no mail, so nothing could answer this one. */
  | { readonly kind: "nullMx" }
  | { readonly kind: "later"; readonly why: string };

export class SenderFacts {
  /** "" is the null sender. */
  readonly address: string;
  readonly domain: string;
  readonly #client: ClientFacts;
  readonly #hello: HelloFacts;

  constructor(client: ClientFacts, hello: HelloFacts, address: string) {
    this.#client = client;
    this.#hello = hello;
    this.address = address;
    this.domain = address === "" ? "" : splitAddress(address).domain;
  }

  /** Where answers to the sender would go. */
  readonly exchangers = once(async (): Promise<SenderDomain> => {
    const { resolver, clock } = this.#client.world;
    const later = { kind: "later", why: "no answer in time" } as const;
    const mx = await intime<Answer<MxRecord>>(clock, resolver.mx(this.domain), later);
    if (mx.kind === "later") return mx;
    if (mx.kind === "found") {
      const hosts = mx.records.map(({ exchange }) => exchange).filter((host) => host !== "" && host !== ".");
      return hosts.length === 0 ? { kind: "nullMx" } : { kind: "found", hosts };
    }
    // RFC 5321 §5.1: a domain without MX is its own exchanger
    const own = await intime<Answer<string>>(clock, resolver.addresses(this.domain), later);
    if (own.kind === "later") return own;
    return own.kind === "found" ? { kind: "found", hosts: [this.domain] } : { kind: "none" };
  });

  /** SPF of the sender's domain, or of HELO for the null sender. */
  readonly spf = once((): Promise<SpfFinding> => {
    const { address, world } = this.#client;
    const finding = world.spf({ address, sender: this.address, hello: this.#hello.name });
    const late = {
      kind: "temperror",
      evidence: "no answer in time",
      everybody: false,
      never: false,
    } as const;
    return intime(world.clock, finding, late);
  });

  readonly exception = once(() => this.#client.world.exceptions.find("from", this.address));

  /** The sender's domain vouches for the client, and not for everybody. */
  readonly authorised = once(async (): Promise<boolean> => {
    const result = await this.spf();
    return result.kind === "pass" && !result.everybody;
  });

  /** The names of the session as the ledger knows them. */
  readonly named = once(async (): Promise<Named> => {
    const [confirmed, authorised] = await Promise.all([this.#hello.confirmed(), this.authorised()]);
    return { hello: this.#hello.name, confirmed, domain: authorised ? this.domain : "" };
  });

  readonly regard = once(async (): Promise<Regard> => {
    const { clock, memory } = this.#client.world;
    return intime(clock, memory.regard(await this.named()), noRegard);
  });

  /** Our users write to this sender, and it is not forged. */
  readonly isCorrespondent = once(async (): Promise<boolean> => {
    const { clock, memory } = this.#client.world;
    if (this.address === "" || !(await this.authorised())) return false;
    return intime(clock, memory.correspondent(this.address), false);
  });
}

export class RecipientFacts {
  readonly address: string;
  /** Those before it in the transaction that were taken. */
  readonly before: number;
  readonly #world: World;

  constructor(world: World, address: string, before: number) {
    this.#world = world;
    this.address = address;
    this.before = before;
  }

  readonly exception = once(() => this.#world.exceptions.find("to", this.address));
}
