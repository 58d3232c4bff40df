// What is found in a qmail installation, and what this server is, so far as that matters for it.

import type { Value } from "#config/document.ts";
import type { Config } from "#config/schema.ts";
import type { Entry, Pair } from "#wire/qmail/control.ts";

export type Change =
  | { readonly kind: "domain"; readonly name: string }
  | { readonly kind: "setting"; readonly section: string; readonly name: string; readonly value: Value }
  | { readonly kind: "route"; readonly recipients: readonly string[]; readonly host: string }
  | { readonly kind: "deny"; readonly what: string }
  | { readonly kind: "rules"; readonly text: string }
  | { readonly kind: "alias"; readonly address: string; readonly to: readonly string[] }
  | { readonly kind: "catchAll"; readonly domain: string; readonly to: string };

/** change: something is to be done; same: it is so already; left: here it is otherwise, and stays; not: it cannot be; note: something to know. */
export type Outcome = "change" | "same" | "left" | "not" | "note";

export interface Finding {
  /** "control/locals" */
  readonly source: string;
  readonly line?: number;
  readonly outcome: Outcome;
  readonly text: string;
  readonly change?: Change;
}

/** This server as it is. */
export interface Target {
  readonly config: Config;
  readonly domains: ReadonlySet<string>;
  /** Domains with a catch-all, and whose that is. */
  readonly catchAlls: ReadonlyMap<string, string>;
  readonly aliases: ReadonlyMap<string, readonly string[]>;
  /** Accounts and groups. */
  readonly taken: ReadonlySet<string>;
  /** "from:@bad.test" */
  readonly denied: ReadonlySet<string>;
  /** rules/smtp.rules */
  readonly rules: string | undefined;
}

/** What the control files say together. */
export interface Hosts {
  readonly me: string;
  readonly locals: readonly Entry[];
  /** Keys with their prepends. */
  readonly virtual: readonly Pair[];
  /** The host of addresses without one. */
  readonly bare: string;
}

export const finding = (source: string, outcome: Outcome, text: string): Finding => ({
  source,
  outcome,
  text,
});
