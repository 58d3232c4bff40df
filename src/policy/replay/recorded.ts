// The world of a recorded session: DNS and what was remembered of the client as the rules saw them then, told by their evidence. What no
// rule saw is not known: rules that would need it are off, so that a replay never refuses for want of an answer.

import type { Answer, MxRecord, Resolver } from "#sys/resolver.ts";
import { splitAddress } from "#wire/envelope.ts";
import { type Listing, type Memory, noRegard, type SpfFinding, sameAddress, type World } from "../facts.ts";
import type { Mode } from "../verdict.ts";
import { type SessionRecord, saidOf } from "./record.ts";

const later = { kind: "later", why: "it was not recorded" } as const;
const none = { kind: "none" } as const;
const found = <T>(...records: readonly T[]): Answer<T> => ({ kind: "found", records });

/** Stands for exchangers that nobody can reach. */
const NOWHERE = "nowhere.invalid";

export interface RecordedWorld {
  readonly world: World;
  /** Rules that would need what was not recorded. */
  readonly off: ReadonlyMap<string, Mode>;
  /** It spoke too early; how. */
  readonly early: string | undefined;
}

/** The world as `session` found it, with access rules, databases, exceptions and patterns as they are in `now`. */
export function recordedWorld(session: SessionRecord, now: World): RecordedWorld {
  const spf = spfOf(session);
  const early = saidOf(session, "early-talker");
  const world: World = {
    ...now,
    resolver: resolverOf(session),
    memory: memoryOf(session),
    listings: async () => listingsOf(session),
    spf: async () => spf ?? finding("none", ""),
  };
  return {
    world,
    off: new Map(unknownRules(session, spf).map((rule) => [rule, "off"])),
    early: early?.verdict === "reject" ? early.evidence : undefined,
  };
}

function unknownRules(session: SessionRecord, spf: SpfFinding | undefined): readonly string[] {
  const rules: string[] = [];
  if (!saidOf(session, "sender-domain")) rules.push("sender-domain");
  const hello = saidOf(session, "hello-unresolvable");
  // whether HELO leads to the client
  if (!spf || !hello) rules.push("client-dynamic");
  if (!spf) rules.push("hello-dotless", "hello-unresolvable", "spf", "sender-ours");
  return rules.filter((rule) => !saidOf(session, rule));
}

const finding = (kind: SpfFinding["kind"], evidence: string, more: Partial<SpfFinding> = {}): SpfFinding => ({
  kind,
  evidence,
  everybody: false,
  never: false,
  ...more,
});

const KINDS = ["pass", "fail", "softfail", "neutral", "none", "temperror", "permerror"] as const;

/** What SPF said, by the rule that asks it or by those that it can spare. */
function spfOf(session: SessionRecord): SpfFinding | undefined {
  const said = saidOf(session, "spf");
  if (!said) return spfByOthers(session);
  // score(-1, …) is "-1: SPF pass for …"
  const evidence = said.evidence.replace(/^-?\d+: /, "").replace(/; perhaps a forwarder$/, "");
  const [, word = evidence] = /^SPF (\w+) for /.exec(evidence) ?? [];
  const kind = KINDS.find((each) => each === word);
  if (!kind) return undefined;
  // a pass that gave no point lets everybody send
  const everybody = kind === "pass" && said.verdict === "accept";
  // nothing but a domain that sends no mail is refused to a client that may forward
  return finding(kind, evidence, { everybody, never: kind === "fail" && said.verdict === "reject" });
}

function spfByOthers(session: SessionRecord): SpfFinding | undefined {
  for (const rule of ["hello-dotless", "hello-unresolvable", "client-dynamic"]) {
    const said = saidOf(session, rule);
    if (said?.evidence.includes("authorised by SPF")) return finding("pass", "SPF pass");
    if (said?.verdict === "reject") return finding("none", "");
  }
  return undefined;
}

function memoryOf(session: SessionRecord): Memory {
  const ban = saidOf(session, "ban");
  const greylist = saidOf(session, "greylist");
  const guesses = Number(/^(\d+) unknown/.exec(saidOf(session, "guesses")?.evidence ?? "")?.[1] ?? 0);
  const wait = greylist?.verdict === "defer";
  return {
    meet: async () => ({
      ban: ban?.verdict === "defer" ? { until: session.at, why: ban.evidence } : undefined,
      known: wasKnown(session),
      reputation: 0,
      guesses,
    }),
    correspondent: async () => false,
    // what was thought of its names then is not recorded
    regard: async () => noRegard,
    greylist: async () => (wait ? { kind: "wait", until: 0 } : { kind: "pass" }),
  };
}

/** Rules that spare those we know were skipped, and rules that spare fewer were not. */
function wasKnown({ stages }: SessionRecord): boolean {
  const rules = stages.flatMap((stage) => stage.rules);
  const skipped = (rule: string) => rules.some((each) => each.rule === rule && each.verdict === "skipped");
  return (skipped("client-name") || skipped("early-talker")) && !skipped("dnsbl");
}

/** All as one: only their sum counts. */
function listingsOf(session: SessionRecord): readonly Listing[] {
  const [, weight, text = ""] = /^(-?\d+): (.*)$/s.exec(saidOf(session, "dnsbl")?.evidence ?? "") ?? [];
  return weight === undefined ? [] : [{ zone: text, text: "", weight: Number(weight) }];
}

function resolverOf(session: SessionRecord): Resolver {
  const names = namesOf(session);
  const addresses = async (host: string) => addressesOf(session, host);
  return {
    ptr: async () => names,
    a: addresses,
    aaaa: addresses,
    addresses,
    mx: async (domain) => exchangersOf(session, domain),
    txt: async () => later,
  };
}

function namesOf(session: SessionRecord): Answer<string> {
  if (session.name !== undefined) return found(session.name);
  const said = saidOf(session, "client-name");
  if (said?.verdict !== "score") return later;
  return said.evidence.endsWith(" has no name") ? none : found("unverified.invalid");
}

function addressesOf(session: SessionRecord, host: string): Answer<string> {
  const name = host.toLowerCase();
  if (name === session.name?.toLowerCase()) return found(session.ip);
  if (name === "unverified.invalid") return none;
  const senderDomain = saidOf(session, "sender-domain");
  const [, nowhere] = /mail for it would go to (.+)$/.exec(senderDomain?.evidence ?? "") ?? [];
  if (name === NOWHERE && nowhere !== undefined) return found(...nowhere.split(", "));
  if (name === session.hello.toLowerCase().replace(/\.$/, "")) return helloAddresses(session);
  if (senderDomain?.evidence.includes("neither MX nor address") && name === domainOf(session)) return none;
  return later;
}

function helloAddresses(session: SessionRecord): Answer<string> {
  const confirmed = ["client-dynamic", "spf", "sender-ours"].some((rule) =>
    /leads to it$|perhaps a forwarder$/.test(saidOf(session, rule)?.evidence ?? ""),
  );
  if (confirmed) return found(session.ip);
  const said = saidOf(session, "hello-unresolvable");
  if (!said) return later;
  if (said.evidence.includes("is not in DNS")) return none;
  const records = said.evidence.split(", ").filter((each) => sameAddress(each, each));
  return records.length > 0 ? found(...records) : later;
}

const domainOf = ({ sender }: SessionRecord): string => splitAddress(sender).domain.toLowerCase();

/** Where answers to the sender would have gone. */
function exchangersOf(session: SessionRecord, domain: string): Answer<MxRecord> {
  const said = saidOf(session, "sender-domain");
  if (!said || domain.toLowerCase() !== domainOf(session)) return later;
  const { verdict, evidence } = said;
  const to = (exchange: string) => ({ preference: 0, exchange });
  if (verdict === "defer") return { kind: "later", why: evidence };
  if (evidence.includes("takes no mail")) return found(to(""));
  if (verdict === "reject") return none;
  if (verdict === "score") return found(to(NOWHERE));
  return found(...evidence.split(", ").map(to));
}
