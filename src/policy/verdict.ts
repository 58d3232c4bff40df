// Verdict: what a rule says about a session, and the one place that knows how rules are written.

import type { FactsOf } from "./facts.ts";

/** The moments at which a session is judged, in their order. */
export const stageNames = ["connect", "hello", "sender", "recipient", "message"] as const;
export type Stage = (typeof stageNames)[number];

/** enforce: as it says; observe: only the record hears of it; off: the rule does not run. */
export type Mode = "enforce" | "observe" | "off";

interface Refusal {
  readonly code: number;
  /** RFC 3463. */
  readonly enhanced: string;
  /** For the client: one sentence that a person can act on, ASCII. */
  readonly text: string;
  /** For the administrator: what the rule saw. */
  readonly evidence: string;
  /** It may be a mistake: a message that is refused so is kept where its recipients can find it. */
  readonly plausible?: boolean;
  /** The connection is not worth waiting for a recipient. */
  readonly now?: boolean;
}

export type Verdict =
  | { readonly kind: "accept"; readonly evidence: string }
  | ({ readonly kind: "reject" } & Refusal)
  | ({ readonly kind: "defer" } & Refusal)
  /** The client waits this long (ms) before its answer. */
  | { readonly kind: "slow"; readonly ms: number; readonly evidence: string }
  /** Adds up over the session; see rules/score.ts. Negative: in its favour. */
  | { readonly kind: "score"; readonly points: number; readonly evidence: string };

/** Whom a rule leaves alone: beside those who may relay, the clients that the administrator vouches for ("reliable": RELIABLECLIENT), and
 * those we know as good ("known": also our users' correspondents). */
export type Spares = "relay" | "reliable" | "known";

/** One rule. It may ask for facts; it has no other way to the world, and throws for nothing: what throws is skipped and logged. */
export interface Rule<S extends Stage = Stage> {
  readonly id: string;
  readonly stage: S;
  /** For the configuration and `policy explain`. */
  readonly meaning: string;
  readonly mode: Mode;
  readonly spares: Spares;
  /** What it is about is wrong whoever does it: an exception of the administrator spares nobody from it. */
  readonly structural?: boolean;
  readonly judge: (facts: FactsOf[S], sofar: SoFar) => Verdict | Promise<Verdict>;
}

/** What the rules before said. */
export interface SoFar {
  readonly points: number;
  /** Why, one for each rule that gave points. */
  readonly reasons: readonly string[];
  readonly thresholds: Thresholds;
}

/** Points at which a session is refused, and at which it is suspicious (greylisted). */
export interface Thresholds {
  readonly reject: number;
  readonly suspicious: number;
}

export const accept = (evidence = ""): Verdict => ({ kind: "accept", evidence });
export const score = (points: number, evidence: string): Verdict => ({ kind: "score", points, evidence });

/** 5.7.1 unless the code says more. */
export function reject(text: string, evidence: string, more: Partial<Refusal> = {}): Verdict {
  return { kind: "reject", code: 550, enhanced: "5.7.1", text, evidence, ...more };
}

export function defer(text: string, evidence: string, more: Partial<Refusal> = {}): Verdict {
  return { kind: "defer", code: 451, enhanced: "4.7.1", text, evidence, ...more };
}

/** Checks the types of a rule where it is written; a plain object stays. */
export const rule = <S extends Stage>(given: Rule<S>): Rule<S> => given;
