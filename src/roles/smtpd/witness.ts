// Witness: what a stranger's session was like, for the ledger: gathered while it runs, told when it is over.

import { limits } from "#base/limits.ts";
import type { Decision, RuleRecord, StageRecord } from "#policy/judge.ts";
import type { SessionRecord } from "#talk/recall.ts";
import type { Connection } from "./state.ts";

const { listed, evidence: seen } = limits.ledger;
const { path, domain } = { path: 512, domain: 255 };

/** The rule that knows traps. */
const TRAP = "recipient-trap";

export class Witness {
  /** On the monotonic clock. */
  readonly began: number;
  readonly #senders: string[] = [];
  readonly #recipients: string[] = [];
  readonly #refused: SessionRecord["refused"][number][] = [];
  #refusals = 0;
  #hard = false;
  #accepted = 0;
  #unknown = 0;
  #traps = 0;
  #messages = 0;

  constructor(began: number) {
    this.began = began;
  }

  sender(address: string): void {
    put(this.#senders, address.slice(0, path));
  }

  /** A recipient was taken. */
  recipient(address: string): void {
    this.#accepted++;
    put(this.#recipients, address.slice(0, path));
  }

  /** A recipient does not exist. */
  unknown(): void {
    this.#unknown++;
  }

  /** A rule refused a recipient. */
  refused({ rule, code }: Decision, from: string, to: string): void {
    this.#refusals++;
    this.#hard ||= code >= 500;
    if (rule === TRAP) this.#traps++;
    put(this.#refused, { rule, code, from: from.slice(0, path), to: to.slice(0, path) });
  }

  message(): void {
    this.#messages++;
  }

  /** What is told; undefined of a client that nobody judged, or that has no address. */
  async record({ id, client, judge, clock }: Connection): Promise<SessionRecord | undefined> {
    if (!judge || judge.isOurselves || client.address === "") return undefined;
    const [who, stages] = await Promise.all([judge.identity(), judge.record()]);
    return {
      time: new Date(clock.now()).toISOString(),
      session: id,
      ip: client.address,
      name: who.name.slice(0, domain),
      hello: who.hello.slice(0, domain),
      confirmed: who.confirmed,
      senders: this.#senders,
      recipients: this.#recipients,
      domain: who.domain.slice(0, domain),
      verdict: this.#verdict,
      messages: this.#messages,
      accepted: this.#accepted,
      unknown: this.#unknown,
      traps: this.#traps,
      refusals: this.#refusals,
      refused: this.#refused,
      rules: rulesOf(stages),
      ms: Math.round(clock.monotonic() - this.began),
    };
  }

  get #verdict(): SessionRecord["verdict"] {
    if (this.#messages > 0) return "accepted";
    if (this.#refusals === 0) return "none";
    return this.#hard ? "refused" : "deferred";
  }
}

function put<T>(into: T[], value: T): void {
  if (into.length < listed) into.push(value);
}

/** What rules saw; those that saw nothing, or were not asked, would only fill the record. */
function rulesOf(stages: readonly StageRecord[]): SessionRecord["rules"] {
  return stages
    .flatMap(({ rules }) => rules)
    .filter(({ verdict, evidence }) => verdict !== "skipped" && (verdict !== "accept" || evidence !== ""))
    .map(({ rule, mode, verdict, evidence, ms }: RuleRecord) => ({
      rule,
      mode: mode === "observe" ? mode : "enforce",
      verdict,
      evidence: evidence.slice(0, seen),
      ms: Math.max(0, ms),
    }));
}

/** Tells the ledger of the session of this client, which is over; nobody waits for that. */
export function tell(connection: Connection): void {
  const { witness, peers, log, id } = connection;
  if (!peers.note) return;
  witness?.record({ ...connection }).then(
    (record) => record && peers.note?.(record),
    (thrown: unknown) => log.event("trouble", { session: id, reason: String(thrown) }),
  );
}
