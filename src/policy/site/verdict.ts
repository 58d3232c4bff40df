// What a site's own rule may say: `undefined` for nothing, or a verdict in the words of docs/policy.md. What cannot be read is our
// administrator's mistake, and no reason to refuse mail.

import { limits } from "#base/limits.ts";
import { err, ok, type Result } from "#base/result.ts";
import { integer, oneOf, optional, read, record, text } from "#base/shape.ts";
import { accept, defer, reject, score, type Verdict } from "../verdict.ts";

const { points, slow, text: longest } = limits.site;

const shape = record({
  kind: oneOf("accept", "reject", "defer", "slow", "score"),
  text: optional(text(longest)),
  evidence: optional(text(longest)),
  code: optional(integer(400, 599)),
  enhanced: optional(text(9)),
  points: optional(integer(-points, points)),
  ms: optional(integer(0, slow)),
});

/** Printable ASCII: it goes to the client, and a line end in it would be a line of ours. */
const PLAIN = /^[ -~]+$/;

export function readVerdict(said: unknown): Result<Verdict> {
  if (said === null || said === undefined) return ok(accept());
  const shaped = read(shape, said);
  if (!shaped.ok) return shaped;
  const { kind, evidence = "", points: given, ms } = shaped.value;
  switch (kind) {
    case "accept":
      return ok(accept(evidence));
    case "score":
      return given === undefined ? err('"score" needs points') : ok(score(given, evidence));
    case "slow":
      return ms === undefined ? err('"slow" needs ms') : ok({ kind, ms, evidence });
    default:
      return refusalOf(shaped.value);
  }
}

function refusalOf({
  kind,
  text: words,
  evidence = "",
  code,
  enhanced,
}: {
  readonly kind: string;
  readonly text?: string | undefined;
  readonly evidence?: string | undefined;
  readonly code?: number | undefined;
  readonly enhanced?: string | undefined;
}): Result<Verdict> {
  if (words === undefined || !PLAIN.test(words)) return err(`"${kind}" needs a text of printable ASCII`);
  const first = kind === "reject" ? 5 : 4;
  if (code !== undefined && Math.floor(code / 100) !== first)
    return err(`"${kind}" needs a code from ${first}00`);
  if (enhanced !== undefined && !new RegExp(`^${first}\\.\\d{1,3}\\.\\d{1,3}$`).test(enhanced))
    return err(`"${kind}" needs an enhanced code such as "${first}.7.1"`);
  const more = { ...(code === undefined ? {} : { code }), ...(enhanced === undefined ? {} : { enhanced }) };
  return ok(kind === "reject" ? reject(words, evidence, more) : defer(words, evidence, more));
}
