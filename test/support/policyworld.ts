// The world of the rules for tests: DNS from a table, everything else as the test gives it.

import type { Clock } from "#base/clock.ts";
import type { DatabaseName } from "#policy/databases.ts";
import { ExceptionTable, parseExceptions } from "#policy/exceptions/table.ts";
import {
  type Access,
  forgetful,
  type Memory,
  type SpfFinding,
  type SpfQuestion,
  type World,
} from "#policy/facts.ts";
import { starterPatterns } from "#policy/feeds/starter.ts";
import { parsePatterns } from "#policy/names.ts";
import { knownVariables } from "#policy/tcprules/variables.ts";
import type { Resolver } from "#sys/resolver.ts";

export interface Given {
  readonly clock: Clock;
  readonly resolver: Resolver;
  readonly spf?: (question: SpfQuestion) => Promise<SpfFinding>;
  readonly memory?: Partial<Memory>;
  /** Variables that tcprules set for every client, and whether they deny it. */
  readonly variables?: Readonly<Record<string, string>>;
  readonly denied?: boolean;
  readonly traps?: readonly string[];
  readonly listings?: World["listings"];
  readonly databases?: Partial<Record<DatabaseName, readonly string[]>>;
  /** Lines of the file of exceptions. */
  readonly exceptions?: readonly string[];
}

const none: SpfFinding = { kind: "none", evidence: "", everybody: false, never: false };

export function policyWorld(given: Given): World {
  const patterns = parsePatterns(starterPatterns);
  if (!patterns.ok) throw new Error(patterns.error.join("; "));
  const { denied = false, variables = {}, databases = {} } = given;
  const table = new ExceptionTable(parseExceptions((given.exceptions ?? []).join("\n")).exceptions);
  const access: Access = {
    ...knownVariables(new Map(Object.entries(variables))).known,
    denied,
    evidence: 'rule ""',
  };
  return {
    clock: given.clock,
    resolver: given.resolver,
    patterns: async () => patterns.value,
    databases: { find: async (name, keys) => keys.find((key) => databases[name]?.includes(key)) },
    exceptions: { find: async (kind, subject) => table.find(kind, subject, given.clock.now()) },
    server: {
      hostname: "mail.a.test",
      addresses: new Set(["203.0.113.1"]),
      isLocal: async (domain) => domain.toLowerCase() === "a.test",
    },
    access: async () => access,
    greetDelays: () => access.greetDelay !== undefined,
    memory: { ...forgetful, ...given.memory },
    traps: new Set(given.traps),
    listings: given.listings ?? (async () => []),
    spf: given.spf ?? (async () => none),
  };
}
