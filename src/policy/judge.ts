// Judge: one session before the rules. A refusal of the client, its HELO or its sender stands until these change, and is said when
// the client names a recipient: the log then knows whom it was for, and clients that mishandle an early refusal do not come again.

import { pause, within } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { messageOf } from "#base/problem.ts";
import type { PolicySlice } from "#config/slice.ts";
import { splitAddress } from "#wire/envelope.ts";
import type { Exception } from "./exceptions/line.ts";
import {
  ClientFacts,
  type FactsOf,
  HelloFacts,
  type MessageFacts,
  type Named,
  RecipientFacts,
  SenderFacts,
  type World,
} from "./facts.ts";
import type { SiteRules } from "./site/rules.ts";
import { stages } from "./stages.ts";
import {
  defer,
  type Mode,
  type Rule,
  type SoFar,
  type Stage,
  stageNames,
  type Thresholds,
  type Verdict,
} from "./verdict.ts";

export interface JudgeOptions {
  readonly world: World;
  readonly thresholds: Thresholds;
  /** By rule id, where the configuration differs from the rule. */
  readonly modes: ReadonlyMap<string, Mode>;
  /** Local parts whose mail is taken whatever the rules say, so that people who are refused can ask why. */
  readonly spared: ReadonlySet<string>;
  /** The site's own rules of a stage. */
  readonly site?: SiteRules;
  /** Rules that put a client off when they fail or take too long, where others are skipped. */
  readonly deferring?: ReadonlySet<string>;
  /** Runs every rule, though one has refused already: to explain. */
  readonly all?: boolean;
  /** A rule failed or took too long; it is skipped. */
  readonly trouble: (text: string) => void;
}

/** What the configuration says of the rules; `own`: of one listener. */
export function judgingBy(
  policy: PolicySlice,
  own: Partial<Pick<PolicySlice, "observe" | "off" | "rejectScore" | "suspiciousScore">> = {},
): Pick<JudgeOptions, "thresholds" | "modes" | "spared" | "deferring"> {
  const { rejectScore, suspiciousScore, observe, off } = { ...policy, ...own };
  const mode = (ids: readonly string[], given: Mode) => ids.map((id) => [id, given] as const);
  return {
    thresholds: { reject: rejectScore, suspicious: suspiciousScore },
    // off wins over observe
    modes: new Map([...mode(observe, "observe"), ...mode(off, "off")]),
    spared: new Set(policy.spared),
    deferring: new Set(policy.deferFailed),
  };
}

/** What the client is told. */
export interface Decision {
  readonly kind: "reject" | "defer";
  readonly rule: string;
  readonly code: number;
  readonly enhanced: string;
  readonly text: string;
  readonly evidence: string;
  /** The connection is to end with it. */
  readonly now: boolean;
  /** It may be a mistake: see docs/rejects.md. */
  readonly plausible: boolean;
}

export interface RuleRecord {
  readonly rule: string;
  readonly mode: Mode;
  /** "skipped": the client is spared; "failed": the rule is broken, or its facts took too long. */
  readonly verdict: Verdict["kind"] | "skipped" | "failed";
  readonly evidence: string;
  readonly ms: number;
}

export interface StageRecord {
  readonly stage: Stage;
  readonly rules: readonly RuleRecord[];
}

interface Outcome {
  readonly record: StageRecord;
  readonly decision: Decision | undefined;
  readonly points: number;
  readonly reasons: readonly string[];
  /** ms that the client waits. */
  readonly slow: number;
}

/** What is said at RCPT. */
const sessionStages = stageNames.filter((stage) => stage !== "message");

export class Judge {
  readonly #options: JudgeOptions;
  readonly #client: ClientFacts;
  #hello: HelloFacts | undefined;
  #sender: SenderFacts | undefined;
  /** The latest of each stage; those behind one that began anew are gone. */
  readonly #outcomes = new Map<Stage, Promise<Outcome>>();
  /** An exception of the administrator allows what is judged: the client, its HELO, its sender or the recipient at hand. */
  #allowed = false;
  #dataBytes: number | undefined;

  /** Facts of the client begin to resolve. */
  constructor(options: JudgeOptions, address: string) {
    this.#options = options;
    this.#client = new ClientFacts(options.world, address);
    void this.#client.name();
    if (this.#client.isOurselves) return;
    void this.#client.memory();
    void this.#client.listings();
  }

  /** A program on this machine. */
  get isOurselves(): boolean {
    return this.#client.isOurselves;
  }

  /** The client's name in reverse DNS, confirmed; undefined: none is known. */
  verifiedName(): Promise<string | undefined> {
    return this.#client.verifiedName();
  }

  /** ms that the client waits for its greeting, of which it may wait some already when they are known; `standard`: as a rule. Those we know and
   * those the administrator vouches for need not wait, nor do programs on this machine. */
  greetDelay(standard: number): number | Promise<number> {
    const own = this.#options.world.greetDelays();
    if (this.isOurselves || (standard === 0 && !own)) return 0;
    const finding = this.#greetDelay(standard);
    return own ? finding : within(this.#options.world.clock, standard, finding, () => standard);
  }

  async #greetDelay(standard: number): Promise<number> {
    const [access, { known }] = await Promise.all([this.#client.access(), this.#client.memory()]);
    if (access.greetDelay !== undefined) return access.greetDelay;
    return known || access.reliableClient || access.relayClient !== undefined ? 0 : standard;
  }

  /** Bytes of the largest message that the client may send; undefined: as many as all, or it is not known yet. */
  get dataBytes(): number | undefined {
    return this.#dataBytes === 0 ? undefined : this.#dataBytes;
  }

  /** It spoke when it should have listened; how. */
  early(how: string): void {
    this.#client.early = how;
  }

  /** It named a recipient that does not exist. */
  unknown(): void {
    this.#client.guesses++;
  }

  /** Who it was, for the record: its verified name, and the names it gave; "" and false where that is not known. */
  async identity(): Promise<Named & { readonly name: string }> {
    const [name, named] = await Promise.all([this.#client.verifiedName(), this.#sender?.named()]);
    const hello = this.#hello?.name ?? "";
    return { name: name ?? "", ...(named ?? { hello, confirmed: false, domain: "" }) };
  }

  /** The suffix that RELAYCLIENT gives the client's recipients ("" as a rule); undefined: it may not relay. */
  async relays(): Promise<string | undefined> {
    return (await this.#client.access()).relayClient;
  }

  hello(name: string): void {
    this.#hello = new HelloFacts(this.#client, name);
    this.#sender = undefined;
    this.#begin("connect", { client: this.#client });
    this.#begin("hello", { client: this.#client, hello: this.#hello });
  }

  sender(address: string): void {
    const hello = this.#hello;
    if (!hello) return;
    this.#sender = new SenderFacts(this.#client, hello, address);
    if (!this.#client.isOurselves) {
      // nearly every session needs both
      if (address !== "") void this.#sender.exchangers();
      void this.#sender.spf();
    }
    this.#begin("sender", { client: this.#client, hello, sender: this.#sender });
  }

  /** What the client is told of this recipient; `before` of the transaction were taken. Undefined: it is welcome. */
  async recipient(address: string, before: number): Promise<Decision | undefined> {
    const [hello, sender] = [this.#hello, this.#sender];
    if (!hello || !sender) return undefined;
    const { all = false, world } = this.#options;
    const recipient = new RecipientFacts(world, address, before);
    await this.#heed([this.#client, hello, sender, recipient]);
    let first: Decision | undefined;
    for (const stage of sessionStages) {
      if (stage === "recipient") this.#begin(stage, { client: this.#client, hello, sender, recipient });
      const { decision, slow } = await this.#outcome(stage);
      if (slow > 0 && !all) await pause(world.clock, slow);
      first ??= decision;
      if (first && !all) break;
    }
    return first && this.#unlessSpared(address, first);
  }

  /** Judges anew when an exception is about this recipient that was not about the one before, or the other way round. Facts are not
   * found out twice. */
  async #heed(about: readonly { exception(): Promise<Exception | undefined> }[]): Promise<void> {
    const found = await Promise.all(about.map((each) => each.exception().catch(() => undefined)));
    const allowed = found.some((each) => each?.verdict === "allow");
    const [hello, sender] = [this.#hello, this.#sender];
    if (allowed === this.#allowed || !hello || !sender) return;
    this.#allowed = allowed;
    const facts = { client: this.#client, hello, sender };
    this.#begin("connect", facts);
    this.#begin("hello", facts);
    this.#begin("sender", facts);
  }

  /**
   * What the client is told of the whole message. A refusal of one of its recipients was said to that one and is no more than that.
   * Undefined: it is welcome, or all its recipients take whatever comes.
   */
  async message(message: MessageFacts, recipients: readonly string[]): Promise<Decision | undefined> {
    const [hello, sender] = [this.#hello, this.#sender];
    if (!hello || !sender) return undefined;
    this.#begin("message", { client: this.#client, hello, sender, message });
    const { decision, slow } = await this.#outcome("message");
    if (slow > 0 && !this.#options.all) await pause(this.#options.world.clock, slow);
    if (!decision) return undefined;
    return recipients.every((address) => this.#unlessSpared(address, decision) === undefined)
      ? undefined
      : decision;
  }

  /** What all stages said so far, in their order. */
  async record(): Promise<readonly StageRecord[]> {
    const begun = stageNames.filter((stage) => this.#outcomes.has(stage));
    const outcomes = await Promise.all(begun.map((stage) => this.#outcome(stage)));
    return outcomes.map(({ record }) => record);
  }

  #unlessSpared(address: string, decision: Decision): Decision | undefined {
    return !decision.now && this.#options.spared.has(splitAddress(address).local.toLowerCase())
      ? undefined
      : decision;
  }

  #begin<S extends Stage>(stage: S, facts: FactsOf[S]): void {
    for (let at = stageNames.indexOf(stage); at < stageNames.length; at++)
      this.#outcomes.delete(stageNames[at] as Stage);
    this.#outcomes.set(stage, this.#judge(stage, facts, [...this.#outcomes.values()]));
  }

  #outcome(stage: Stage): Promise<Outcome> {
    return (
      this.#outcomes.get(stage) ??
      Promise.resolve({ record: { stage, rules: [] }, decision: undefined, points: 0, reasons: [], slow: 0 })
    );
  }

  async #judge<S extends Stage>(
    stage: S,
    facts: FactsOf[S],
    earlier: readonly Promise<Outcome>[],
  ): Promise<Outcome> {
    const { all = false, modes, thresholds } = this.#options;
    const tally = new Tally(thresholds);
    const isSpared = this.#sparing();
    let standing = false;
    for (const each of earlier) standing = tally.add(await each) || standing;
    // a refusal that stands is not made better by more questions; a message that came in spite of one was for others
    const rules = all || !standing || stage === "message" ? await this.#rules(stage) : [];
    for (const each of rules) {
      const mode = modes.get(each.id) ?? each.mode;
      if (mode === "off") continue;
      const asked = this.#ask(each, facts, tally, isSpared);
      tally.take(each.id, mode, asked instanceof Promise ? await asked : asked);
      if (tally.decision && !all) break;
    }
    return tally.outcome(stage);
  }

  /** The site's own run last, but their points count in the score. */
  async #rules<S extends Stage>(stage: S): Promise<readonly Rule<S>[]> {
    const ours = stages[stage] as readonly Rule<S>[];
    const theirs = (await this.#options.site?.rules(stage)) ?? [];
    if (theirs.length === 0) return ours;
    const score = ours.findIndex(({ id }) => id === "score");
    const at = score < 0 ? ours.length : score;
    return [...ours.slice(0, at), ...theirs, ...ours.slice(at)];
  }

  /** What a rule says. One that fails, or that the world keeps waiting, says nothing: mail is never refused for our own trouble. No
   * promise when the rule needs none: most do not. */
  #ask<S extends Stage>(
    rule: Rule<S>,
    facts: FactsOf[S],
    sofar: SoFar,
    isSpared: IsSpared,
  ): Asked | Promise<Asked> {
    const spared = isSpared(rule);
    if (spared === false) return this.#run(rule, facts, sofar);
    if (spared === true) return skipped;
    return spared.then(
      (isSo) => (isSo ? skipped : this.#run(rule, facts, sofar)),
      (thrown: unknown) => ({ said: this.#threw(rule, thrown), ms: 0 }),
    );
  }

  #run<S extends Stage>(rule: Rule<S>, facts: FactsOf[S], sofar: SoFar): Asked | Promise<Asked> {
    const { clock } = this.#options.world;
    const began = clock.monotonic();
    try {
      const said = rule.judge(facts, sofar);
      if (!(said instanceof Promise)) return { said, ms: 0 };
      const ms = () => Math.round(clock.monotonic() - began);
      const slow = () => this.#failed(rule.id, "took too long");
      return within(clock, limits.policy.rule, said, slow).then(
        (verdict) => ({ said: verdict, ms: ms() }),
        (thrown: unknown) => ({ said: this.#threw(rule, thrown), ms: ms() }),
      );
    } catch (thrown) {
      return { said: this.#threw(rule, thrown), ms: 0 };
    }
  }

  #threw({ id }: Pick<Rule, "id">, thrown: unknown): Asked["said"] {
    return this.#failed(id, "failed", `: ${messageOf(thrown)}`);
  }

  #failed(id: string, how: string, why = ""): Verdict | "failed" {
    const deferring = this.#options.deferring?.has(id) === true;
    this.#options.trouble(`Rule ${id} ${how} and ${deferring ? "puts clients off" : "was skipped"}${why}`);
    return deferring ? defer("A check cannot be made now, try again later", `it ${how}${why}`) : "failed";
  }

  /** Whom the rules of one stage leave alone: found out once for all that leave the same ones alone. */
  #sparing(): IsSpared {
    const allowed = this.#allowed;
    const known = new Map<string, boolean>();
    return (rule) => {
      const whom = rule.structural ? `structural ${rule.spares}` : rule.spares;
      const before = known.get(whom);
      if (before !== undefined) return before;
      return this.#isSpared(rule, allowed).then((spared) => {
        known.set(whom, spared);
        return spared;
      });
    };
  }

  async #isSpared(
    { spares: rule, structural = false }: Pick<Rule, "spares" | "structural">,
    allowed: boolean,
  ): Promise<boolean> {
    const { relayClient, reliableClient, blocklisted, dataBytes } = await this.#client.access();
    this.#dataBytes = dataBytes;
    if (relayClient !== undefined) return true;
    if (rule === "relay") return false;
    if (allowed && !structural) return true;
    if (reliableClient || this.#client.isOurselves) return true;
    if (rule === "reliable") return false;
    if (blocklisted?.kind === "accept" || (await this.#client.memory()).known) return true;
    return (await this.#sender?.isCorrespondent()) === true;
  }
}

type IsSpared = (rule: Pick<Rule, "spares" | "structural">) => boolean | Promise<boolean>;

interface Asked {
  readonly said: Verdict | "skipped" | "failed";
  readonly ms: number;
}

const skipped: Asked = { said: "skipped", ms: 0 };

/** What the rules of one stage have said, on top of what those of the stages before it said. */
class Tally implements SoFar {
  readonly thresholds: Thresholds;
  /** Of all stages so far. */
  readonly reasons: string[] = [];
  points = 0;
  slow = 0;
  decision: Decision | undefined;
  readonly #records: RuleRecord[] = [];
  /** Where those of this stage begin. */
  #reasonsBefore = 0;
  #pointsBefore = 0;

  constructor(thresholds: Thresholds) {
    this.thresholds = thresholds;
  }

  /** Adds a stage before this one; whether it refused. */
  add(before: Outcome): boolean {
    this.#pointsBefore += before.points;
    this.points += before.points;
    this.reasons.push(...before.reasons);
    this.#reasonsBefore = this.reasons.length;
    return before.decision !== undefined;
  }

  take(rule: string, mode: Mode, { said, ms }: Asked): void {
    if (typeof said === "string") {
      this.#records.push({ rule, mode, verdict: said, evidence: "", ms });
      return;
    }
    this.#records.push({ rule, mode, verdict: said.kind, evidence: evidenceOf(said), ms });
    if (mode === "enforce") this.#count(rule, said);
  }

  outcome(stage: Stage): Outcome {
    return {
      record: { stage, rules: this.#records },
      decision: this.decision,
      points: this.points - this.#pointsBefore,
      reasons: this.reasons.slice(this.#reasonsBefore),
      slow: this.slow,
    };
  }

  #count(rule: string, verdict: Verdict): void {
    switch (verdict.kind) {
      case "accept":
        return;
      case "score":
        this.points += verdict.points;
        this.reasons.push(`${rule} ${verdict.points} (${verdict.evidence})`);
        return;
      case "slow":
        this.slow = Math.max(this.slow, verdict.ms);
        return;
      case "reject":
      case "defer":
        this.decision ??= {
          rule,
          ...verdict,
          now: verdict.now === true,
          plausible: verdict.plausible === true,
        };
    }
  }
}

function evidenceOf(verdict: Verdict): string {
  return verdict.kind === "score" ? `${verdict.points}: ${verdict.evidence}` : verdict.evidence;
}
