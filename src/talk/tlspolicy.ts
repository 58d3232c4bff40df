// tlspolicy: remote asks what other domains publish about TLS to their servers, and tells how it went.

import { limits } from "#base/limits.ts";
import { list, oneOf, record, type Shaped, text, union, word } from "#base/shape.ts";
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
