// control: what the command line (and later the admin page) asks of the supervisor; queuecontrol.ts is what it asks of the queue.

import { integer, list, oneOf, record, type Shape, type Shaped, text } from "#base/shape.ts";
import type { Verb } from "./caller.ts";

const nothing = record({});

const roleStatus = record({
  role: text(32),
  index: integer(0),
  /** 0 when it is not running. */
  pid: integer(0),
  state: oneOf("up", "starting", "down", "waiting"),
  /** When it came into this state, ms since 1970. */
  since: integer(0),
  restarts: integer(0),
  /** The user it runs as: a name of ours with its number, or "self" when everything runs as one user. */
  user: text(64),
});

/** One line of `kenro status`. */
export type RoleStatus = Shaped<typeof roleStatus>;

export const status: Verb<
  Record<string, never>,
  { readonly roles: readonly RoleStatus[]; readonly note: string }
> = {
  kind: 1,
  question: nothing as Shape<Record<string, never>>,
  answer: record({ roles: list(roleStatus), note: text() }),
};

export const stop: Verb<Record<string, never>, Record<string, never>> = {
  kind: 2,
  question: nothing as Shape<Record<string, never>>,
  answer: nothing as Shape<Record<string, never>>,
};

/** Reads the configuration again; problems are sentences, and then nothing changed. */
export const reload: Verb<Record<string, never>, { readonly problems: readonly string[] }> = {
  kind: 3,
  question: nothing as Shape<Record<string, never>>,
  answer: record({ problems: list(text()) }),
};
