// Witness: what a stranger's session was like, for the ledger: gathered while it runs, told when it is over.

import { limits } from "#base/limits.ts";
import type { Decision, StageRecord } from "#policy/judge.ts";
import type { SessionRecord } from "#policy/replay/record.ts";
import type { Reply } from "#wire/smtp/reply.ts";
import type { Connection } from "./state.ts";

const { listed, evidence: seen, reply: told } = limits.ledger;
const { path, domain } = { path: 512, domain: 255 };

/** The rule that knows traps. */
const TRAP = "recipient-trap";

export class Witness {
  /** On the monotonic clock. */
  readonly began: number;
  readonly #recipients: (SessionRecord["recipients"][number] & { readonly from: string })[] = [];
  readonly #refused: SessionRecord["refused"][number][] = [];
  readonly #mail: string[] = [];
  #sender = "";
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
    this.#sender = cut(address, path);
  }

  /** What was answered to a recipient. */
  recipient(address: string, reply: Pick<Reply, "code" | "wire">): void {
    if (reply.code < 400) this.#accepted++;
    const from = this.#sender;
    put(this.#recipients, () => ({ address: cut(address, path), reply: cut(reply.wire.trim(), told), from }));
  }

  /** A recipient does not exist. */
  unknown(): void {
    this.#unknown++;
  }

  /** A rule refused a recipient; a message: `to` is "". */
  refused({ rule, code }: Decision, to: string): void {
    this.#refusals++;
    this.#hard ||= code >= 500;
    if (rule === TRAP) this.#traps++;
    put(this.#refused, () => ({ rule, code, from: this.#sender, to: cut(to, path) }));
  }

  /** A message was taken. */
  message(id: string): void {
    this.#messages++;
    put(this.#mail, () => id);
  }

  /** What is told; undefined of a client that nobody judged, or that has no address. */
  async record({ id, client, judge, clock }: Connection): Promise<SessionRecord | undefined> {
    if (!judge || judge.isOurselves || client.address === "") return undefined;
    const [who, stages] = await Promise.all([judge.identity(), judge.record()]);
    const now = clock.now();
    return {
      id,
      at: now,
      time: new Date(now).toISOString(),
      ip: client.address,
      ...(who.name === "" ? {} : { name: who.name.slice(0, domain) }),
      hello: who.hello.slice(0, domain),
      confirmed: who.confirmed,
      sender: this.#sender,
      recipients: this.#recipients.map(({ from, ...each }) =>
        from === this.#sender ? each : { ...each, from },
      ),
      domain: who.domain.slice(0, domain),
      verdict: this.#verdict,
      messages: this.#messages,
      mail: this.#mail,
      accepted: this.#accepted,
      unknown: this.#unknown,
      traps: this.#traps,
      refusals: this.#refusals,
      refused: this.#refused,
      stages: stages.map(stageOf),
      ms: Math.round(clock.monotonic() - this.began),
    };
  }

  get #verdict(): SessionRecord["verdict"] {
    if (this.#messages > 0) return "accepted";
    if (this.#refusals === 0) return "none";
    return this.#hard ? "refused" : "deferred";
  }
}

function put<T>(into: T[], make: () => T): void {
  if (into.length < listed) into.push(make());
}

/** A copy: what was cut out of a command keeps all of it in memory. */
const cut = (text: string, most: number): string => Buffer.from(text.slice(0, most)).toString();

/** What the rules said; those that were not asked would only fill the record. */
const stageOf = ({ stage, rules }: StageRecord): SessionRecord["stages"][number] => ({
  stage,
  rules: rules
    .filter(({ verdict }) => verdict !== "skipped")
    .map((rule) => ({ ...rule, evidence: rule.evidence.slice(0, seen), ms: Math.max(0, rule.ms) })),
});

/** Tells the ledger of the session of this client, which is over; nobody waits for that. */
export function tell(connection: Connection): void {
  const { witness, peers, log, id } = connection;
  if (!peers.note) return;
  witness?.record({ ...connection }).then(
    (record) => record && peers.note?.(record),
    (thrown: unknown) => log.event("trouble", { session: id, reason: String(thrown) }),
  );
}
