// SPF (RFC 7208): may this client send for that domain? An evaluator of our own; docs/decisions/0006-spf.md says why.

import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { addressBytes } from "#base/network.ts";
import type { Answer, Resolver } from "#sys/resolver.ts";
import {
  type Directive,
  isSpf,
  isTopLabel,
  type MacroString,
  type Mechanism,
  parseMacros,
  parseSpf,
  type SpfRecord,
} from "#wire/records/spf.ts";
import { ask } from "./ask.ts";
import { addressMacros, expandMacros, type MacroValues, targetName, usesMacro } from "./macros.ts";
import { asciiDomain } from "./names.ts";

export type SpfResult = "pass" | "fail" | "softfail" | "neutral" | "none" | "temperror" | "permerror";

export interface SpfQuestion {
  /** The client's. */
  readonly address: string;
  /** What it said in HELO or EHLO. */
  readonly hello: string;
  /** The mailbox of MAIL FROM; "" for the null path. */
  readonly sender: string;
  /** Our name, for explanations. */
  readonly receiver: string;
}

export interface SpfWorld {
  readonly resolver: Resolver;
  readonly clock: Clock;
}

export interface SpfAnswer {
  readonly result: SpfResult;
  readonly identity: "mailfrom" | "helo";
  /** The domain that was asked about, in A-labels. */
  readonly domain: string;
  /** The directive that matched, as its record has it; undefined: none did. */
  readonly mechanism: string | undefined;
  /** With "fail": the domain's own words (exp=), in printable ASCII, cut; they are a stranger's text. Undefined: it has none. */
  readonly explanation: string | undefined;
  /** With the errors and "none": what is wrong. */
  readonly why: string | undefined;
  /** Terms that looked names up, and those that found nothing. */
  readonly lookups: number;
  readonly voids: number;
}

/** Checks the MAIL FROM identity; of the null path `postmaster` at the HELO name (RFC 7208 §2.4). Never rejects. */
export function checkMailFrom(question: SpfQuestion, world: SpfWorld): Promise<SpfAnswer> {
  const { sender, hello } = question;
  const at = sender.lastIndexOf("@");
  const local = sender.slice(0, Math.max(0, at));
  return check(
    "mailfrom",
    { ...question, local, domain: sender === "" ? hello : sender.slice(at + 1) },
    world,
  );
}

/** Checks the HELO identity (RFC 7208 §2.3). Never rejects. */
export function checkHello(question: SpfQuestion, world: SpfWorld): Promise<SpfAnswer> {
  return check("helo", { ...question, local: "", domain: question.hello }, world);
}

interface Identity extends SpfQuestion {
  readonly local: string;
  readonly domain: string;
}

async function check(
  identity: SpfAnswer["identity"],
  question: Identity,
  world: SpfWorld,
): Promise<SpfAnswer> {
  const domain = asciiDomain(question.domain).toLowerCase().replace(/\.$/, "");
  const bytes = addressBytes(question.address);
  const common = { identity, domain, mechanism: undefined, explanation: undefined, lookups: 0, voids: 0 };
  if (!bytes) return { ...common, result: "none", why: `"${question.address}" is no address` };
  // RFC 7208 §4.3
  const labels = domain.split(".");
  if (targetName(domain) !== domain || labels.length < 2 || !isTopLabel(labels.at(-1) ?? ""))
    return { ...common, result: "none", why: "no domain name" };
  const evaluation = new Evaluation(bytes, valuesOf({ ...question, domain }, bytes, world.clock), world);
  const verdict = await evaluation.run(domain);
  return { ...common, ...verdict, lookups: evaluation.lookups, voids: evaluation.voids };
}

function valuesOf({ local, domain, hello, receiver }: Identity, bytes: Buffer, clock: Clock): MacroValues {
  const name = local === "" ? "postmaster" : local;
  return {
    ...addressMacros(bytes),
    s: `${name}@${domain}`,
    l: name,
    o: domain,
    d: domain,
    h: asciiDomain(hello) || "unknown",
    r: receiver || "unknown",
    t: String(Math.floor(clock.now() / 1000)),
    p: "unknown",
  };
}

const RESULTS = { "+": "pass", "-": "fail", "~": "softfail", "?": "neutral" } as const;

/** What check_host() came to without an error. */
interface Matched {
  readonly result: Exclude<SpfResult, "temperror" | "permerror">;
  readonly directive: Directive | undefined;
  /** Where it matched; its `exp` explains a "fail" (RFC 7208 §6.2). */
  readonly domain: string;
  readonly record: SpfRecord | undefined;
}

type Verdict = Pick<SpfAnswer, "result" | "mechanism" | "explanation" | "why">;

/** An error that ends the whole evaluation; thrown and caught in here only. */
class Stop extends Error {
  readonly result: "temperror" | "permerror";

  constructor(result: "temperror" | "permerror", why: string) {
    super(why);
    this.result = result;
  }
}

/** One check: the counters of RFC 7208 §4.6.4 and the time are of all its records together. */
class Evaluation {
  lookups = 0;
  voids = 0;
  readonly #client: Buffer;
  readonly #values: MacroValues;
  readonly #resolver: Resolver;
  readonly #clock: Clock;
  readonly #deadline: number;
  #names: Promise<readonly string[] | "void"> | undefined;

  constructor(client: Buffer, values: MacroValues, { resolver, clock }: SpfWorld) {
    this.#client = client;
    this.#values = values;
    this.#resolver = resolver;
    this.#clock = clock;
    this.#deadline = clock.monotonic() + limits.spf.time;
  }

  async run(domain: string): Promise<Verdict> {
    try {
      const { result, directive, ...matched } = await this.#host(domain);
      const explanation = result === "fail" ? await this.#explain(matched) : undefined;
      const why = result === "none" ? "no SPF record" : undefined;
      return { result, mechanism: directive?.text, explanation, why };
    } catch (thrown) {
      if (!(thrown instanceof Stop)) throw thrown;
      return { result: thrown.result, mechanism: undefined, explanation: undefined, why: thrown.message };
    }
  }

  /** check_host() of RFC 7208 §4, for a domain that is a name. */
  async #host(domain: string): Promise<Matched> {
    const record = await this.#record(domain);
    if (!record) return { result: "none", directive: undefined, domain, record };
    for (const directive of record.directives) {
      if (!(await this.#matches(directive.mechanism, domain))) continue;
      return { result: RESULTS[directive.qualifier], directive, domain, record };
    }
    // §4.7
    if (!record.redirect) return { result: "neutral", directive: undefined, domain, record };
    return this.#other(record.redirect, domain);
  }

  /** The record of another domain, for include and redirect; there must be one (§5.2, §6.1). */
  async #other(spec: MacroString, domain: string): Promise<Matched> {
    this.#count();
    const target = await this.#target(spec, domain);
    const matched = target === undefined ? undefined : await this.#host(target);
    if (!matched || matched.result === "none")
      throw new Stop(
        "permerror",
        `no SPF record at "${target ?? "an impossible name"}", which "${domain}" names`,
      );
    return matched;
  }

  /** §4.4, §4.5 */
  async #record(domain: string): Promise<SpfRecord | undefined> {
    const texts = (await this.#ask(() => this.#resolver.txt(domain))).filter(isSpf);
    const [text] = texts;
    if (text === undefined) return undefined;
    if (texts.length > 1) throw new Stop("permerror", `${texts.length} SPF records at "${domain}"`);
    const record = parseSpf(text);
    if (!record.ok) throw new Stop("permerror", `SPF record at "${domain}": ${record.error}`);
    return record.value;
  }

  async #matches(mechanism: Mechanism, domain: string): Promise<boolean> {
    if (mechanism.kind === "all") return true;
    if (mechanism.kind === "ip") return sharePrefix(this.#client, mechanism.network, mechanism.bits);
    // §5.2: a "fail" there is no match here
    if (mechanism.kind === "include") return (await this.#other(mechanism.domain, domain)).result === "pass";
    this.#count();
    const target = mechanism.domain ? await this.#target(mechanism.domain, domain) : domain;
    // §4.8: a name that cannot be matches nothing
    if (target === undefined) return false;
    switch (mechanism.kind) {
      case "a":
        return this.#near(await this.#addresses(target), mechanism);
      case "mx":
        return this.#matchesMx(target, mechanism);
      case "ptr":
        return this.#matchesPtr(target);
      case "exists":
        // §5.7: A, also for a client of IPv6
        return (await this.#found(() => this.#resolver.a(target))).length > 0;
      default:
        return mechanism satisfies never;
    }
  }

  /** §5.4 */
  async #matchesMx(target: string, lengths: PrefixLengths): Promise<boolean> {
    const exchangers = await this.#found(() => this.#resolver.mx(target));
    // §4.6.4
    if (exchangers.length > limits.spf.exchangers)
      throw new Stop("permerror", `more than ${limits.spf.exchangers} MX records at "${target}"`);
    const hosts = exchangers.flatMap(({ exchange }) => targetName(exchange) ?? []);
    const answers = await Promise.all(hosts.map((host) => this.#answer(() => this.#family(host))));
    if (answers.some((answer) => answer.kind === "found" && this.#near(answer.records, lengths))) return true;
    // that one host does not resolve now matters only when no other matches
    for (const answer of answers) if (answer.kind === "later") throw new Stop("temperror", answer.why);
    return false;
  }

  /** §5.5 */
  async #matchesPtr(target: string): Promise<boolean> {
    const names = await this.#clientNames();
    if (names === "void") this.#countVoid();
    const domain = target.toLowerCase();
    return names !== "void" && names.some((name) => isBelow(name, domain));
  }

  /** The names of the client that resolve back to it (§5.5), at most ten; "void": it has no PTR record. */
  #clientNames(): Promise<readonly string[] | "void"> {
    this.#names ??= this.#findNames();
    return this.#names;
  }

  async #findNames(): Promise<readonly string[] | "void"> {
    const answer = await this.#answer(() => this.#resolver.ptr(this.#values.c));
    if (answer.kind === "none") return "void";
    // §5.5: an error is no match, here and for each name
    if (answer.kind === "later") return [];
    const names = answer.records
      .slice(0, limits.spf.names)
      .flatMap((name) => targetName(name.toLowerCase()) ?? []);
    const own = await Promise.all(
      names.map(async (name) => {
        const found = await this.#answer(() => this.#family(name));
        return found.kind === "found" && this.#near(found.records, WHOLE);
      }),
    );
    return names.filter((_, at) => own[at]);
  }

  /** %{p}, §7.3: best the domain itself, else a name below it, else any. */
  async #validatedName(domain: string): Promise<string> {
    const found = await this.#clientNames();
    const names = found === "void" ? [] : found;
    return (
      names.find((name) => name === domain) ??
      names.find((name) => isBelow(name, domain)) ??
      names[0] ??
      "unknown"
    );
  }

  async #expand(macros: MacroString, domain: string): Promise<string> {
    const p = usesMacro(macros, "p") ? await this.#validatedName(domain.toLowerCase()) : "unknown";
    return expandMacros(macros, { ...this.#values, d: domain, p });
  }

  async #target(spec: MacroString, domain: string): Promise<string | undefined> {
    return targetName(await this.#expand(spec, domain));
  }

  /** §6.2: whatever goes wrong with it, there is no explanation. */
  async #explain({ record, domain }: Pick<Matched, "record" | "domain">): Promise<string | undefined> {
    const target = record?.exp && (await this.#target(record.exp, domain));
    if (target === undefined) return undefined;
    const answer = await this.#answer(() => this.#resolver.txt(target));
    if (answer.kind !== "found" || answer.records.length !== 1) return undefined;
    const macros = parseMacros(answer.records[0] ?? "", "explanation");
    const text = macros && (await this.#expand(macros, domain));
    return text && /^[ -~]+$/.test(text) ? text.slice(0, limits.spf.explanation) : undefined;
  }

  /** Addresses of the client's family. */
  #family(name: string): Promise<Answer<string>> {
    return this.#client.length === 4 ? this.#resolver.a(name) : this.#resolver.aaaa(name);
  }

  async #addresses(name: string): Promise<readonly string[]> {
    const records = await this.#ask(() => this.#family(name));
    if (records.length > 0) return records;
    // a host of the other family only is there: a client by IPv6 must not fail because its domain names many hosts without
    const other = await this.#answer(() =>
      this.#client.length === 4 ? this.#resolver.aaaa(name) : this.#resolver.a(name),
    );
    if (other.kind === "none") this.#countVoid();
    return records;
  }

  #near(addresses: readonly string[], { bits4, bits6 }: PrefixLengths): boolean {
    const bits = this.#client.length === 4 ? bits4 : bits6;
    return addresses.some((text) => {
      const bytes = addressBytes(text);
      return bytes !== undefined && sharePrefix(this.#client, bytes, bits);
    });
  }

  async #found<T>(question: () => Promise<Answer<T>>): Promise<readonly T[]> {
    const records = await this.#ask(question);
    if (records.length === 0) this.#countVoid();
    return records;
  }

  async #ask<T>(question: () => Promise<Answer<T>>): Promise<readonly T[]> {
    const answer = await this.#answer(question);
    if (answer.kind === "later") throw new Stop("temperror", answer.why);
    return answer.kind === "found" ? answer.records : [];
  }

  #answer<T>(question: () => Promise<Answer<T>>): Promise<Answer<T>> {
    return ask(this.#clock, this.#deadline - this.#clock.monotonic(), question);
  }

  /** §4.6.4: terms that look names up. */
  #count(): void {
    this.lookups++;
    if (this.lookups > limits.spf.lookups)
      throw new Stop("permerror", `more than ${limits.spf.lookups} terms that look names up`);
  }

  /** §4.6.4: and find nothing. */
  #countVoid(): void {
    this.voids++;
    if (this.voids > limits.spf.voids)
      throw new Stop("permerror", `more than ${limits.spf.voids} terms that look up what is not there`);
  }
}

interface PrefixLengths {
  readonly bits4: number;
  readonly bits6: number;
}

const WHOLE: PrefixLengths = { bits4: 32, bits6: 128 };

/** Both names are in lower case. */
const isBelow = (name: string, domain: string): boolean => name === domain || name.endsWith(`.${domain}`);

function sharePrefix(a: Buffer, b: Buffer, bits: number): boolean {
  if (a.length !== b.length) return false;
  const whole = bits >> 3;
  const mask = 0xff & ~(0xff >> (bits & 7));
  return (
    a.subarray(0, whole).equals(b.subarray(0, whole)) && (((a[whole] ?? 0) ^ (b[whole] ?? 0)) & mask) === 0
  );
}
