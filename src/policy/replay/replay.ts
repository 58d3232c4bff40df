// Replay: recorded sessions before the rules as they are now, or as they would be. Nothing is asked of DNS or of the ledger.

import { Judge, type JudgeOptions } from "../judge.ts";
import { ruleIds } from "../stages.ts";
import type { Remembered } from "./fate.ts";
import type { SessionRecord } from "./record.ts";
import { recordedWorld } from "./recorded.ts";

/** What a recipient was told, or would be. */
export interface Said {
  readonly kind: "taken" | "refused" | "deferred";
  /** The rule that said so; "" when it was taken. */
  readonly rule: string;
  readonly evidence: string;
}

export interface Change {
  readonly session: Remembered;
  readonly recipient: string;
  readonly before: Said;
  readonly after: Said;
}

export type ReplayOptions = Pick<JudgeOptions, "world" | "stages" | "thresholds" | "modes" | "spared">;

const taken: Said = { kind: "taken", rule: "", evidence: "" };

/** Whether a session is one for the rules. */
export const isJudged = ({ stages }: SessionRecord): boolean => stages.length > 0;

/** What the rules say of each recipient of a recorded session. */
export async function replay(session: SessionRecord, options: ReplayOptions): Promise<readonly Said[]> {
  const said: Said[] = [];
  // one transaction after the other; their recipients stand together
  for (let at = 0; at < session.recipients.length; at = said.length)
    said.push(...(await replayed(transactionAt(session, at), options)));
  return said;
}

/** The session with the recipients from one on who have the same sender. What the rules saw of a sender is on record for the last one only. */
function transactionAt(session: SessionRecord, at: number): SessionRecord {
  const { from } = session.recipients[at] ?? {};
  const rest = session.recipients.slice(at);
  const other = rest.findIndex((each) => each.from !== from);
  const recipients = other < 0 ? rest : rest.slice(0, other);
  if (from === undefined) return { ...session, recipients };
  const stages = session.stages.filter(({ stage }) => stage === "connect" || stage === "hello");
  return { ...session, sender: from, recipients, stages };
}

async function replayed(session: SessionRecord, options: ReplayOptions): Promise<readonly Said[]> {
  const { world, off, early } = recordedWorld(session, options.world);
  const modes = new Map([...options.modes, ...off]);
  // all rules: a pause of rule `guesses` must not be waited for
  const judge = new Judge({ ...options, world, modes, all: true, trouble: () => {} }, session.ip);
  if (early !== undefined) judge.early(early);
  judge.hello(session.hello);
  judge.sender(session.sender);
  const said: Said[] = [];
  let before = 0;
  for (const { address, reply } of session.recipients) {
    const decision = await judge.recipient(address, before);
    if (reply.startsWith("2")) before++;
    if (!decision) said.push(taken);
    else {
      const { kind, rule, evidence } = decision;
      said.push({ kind: kind === "reject" ? "refused" : "deferred", rule, evidence });
    }
  }
  return said;
}

/** What each recipient was told then; undefined where something else than a rule refused it (no such user). */
export function recorded({ recipients, stages }: SessionRecord): readonly (Said | undefined)[] {
  const rules = stages.flatMap((stage) => stage.rules);
  return recipients.map(({ reply }) => {
    if (reply.startsWith("2")) return taken;
    const words = [...reply.matchAll(/\(([a-z][a-z0-9/._-]*)\)/g)].map(([, word = ""]) => word);
    const rule = words.findLast((word) => ruleIds.includes(word) || word.startsWith("site/"));
    if (rule === undefined) return undefined;
    const evidence = rules.find((each) => each.rule === rule)?.evidence ?? "";
    return { kind: reply.startsWith("4") ? "deferred" : "refused", rule, evidence };
  });
}

/** Recipients of whom `after` says something else than `before`; another rule that says the same is no change. */
export function changes(
  session: Remembered,
  before: readonly (Said | undefined)[],
  after: readonly Said[],
): readonly Change[] {
  return session.recipients.flatMap(({ address }, at) => {
    const [then, now] = [before[at], after[at]];
    return then && now && then.kind !== now.kind
      ? [{ session, recipient: address, before: then, after: now }]
      : [];
  });
}

/** Mail that came through then, or would with the rules as they are, and no longer would. */
export const isNewlyRefused = ({ before, after }: Change): boolean =>
  before.kind === "taken" && after.kind !== "taken";
