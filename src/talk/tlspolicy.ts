// tlspolicy: remote asks what other domains publish about TLS to their servers, and tells how it went.

import { limits } from "#base/limits.ts";
import { list, oneOf, optional, record, type Shaped, text, union, word } from "#base/shape.ts";
import { policyFoundShape, resultTypes } from "#wire/message/tlsresult.ts";
import type { Verb } from "./caller.ts";

const none = record({ kind: word("none") });
const sts = record({
  kind: word("sts"),
  mode: oneOf("enforce", "testing"),
  /** "mx.example.org", "*.example.org". */
  mx: list(text(255), limits.sts.patterns),
});

/** What holds for a domain: nothing, or its MTA-STS policy. */
export type StsAnswer = Shaped<typeof none> | Shaped<typeof sts>;

/** remote: which MTA-STS policy holds for mail to this domain? It may be fetched first. */
export const stsPolicy: Verb<{ readonly domain: string }, StsAnswer> = {
  kind: 1,
  question: record({ domain: text(255) }),
  answer: union<StsAnswer>({ none, sts }),
};

const result = record({
  domain: text(255),
  policy: policyFoundShape,
  /** Missing: it went as it must. */
  failure: optional(record({ result: oneOf(...resultTypes), host: text(255), address: text(255) })),
});

/** remote: how one connection to a server of a domain went, for the report of the day. */
export const tlsResult: Verb<Shaped<typeof result>, object> = {
  kind: 2,
  question: result,
  answer: record({}),
};
