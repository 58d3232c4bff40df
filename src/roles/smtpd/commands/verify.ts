// VRFY (RFC 5321 §3.5.3): we neither confirm nor deny, but say so only to a question that is one.

import { err, ok, type Result } from "#base/result.ts";
import { type PathProblem, type PathRules, parseAddress, parsePath } from "#wire/smtp/path.ts";
import { replies } from "#wire/smtp/replies.ts";
import type { Reply } from "#wire/smtp/reply.ts";

/** A user, a mailbox, or a path; with SMTPUTF8 behind it any of them may be beyond ASCII (RFC 6531 §3.4). */
export function verified(rest: string): Result<undefined, Reply> {
  if (rest === "") return err(replies.argumentMissing);
  const text = rest.replace(/ +SMTPUTF8$/i, "");
  const rules = { utf8: text !== rest };
  const problem = text.startsWith("<") ? pathProblem(text, rules) : userProblem(text, rules);
  if (problem === undefined) return ok(undefined);
  return err(problem === "nonAscii" ? replies.utf8Needed : replies.verifySyntax);
}

function pathProblem(text: string, rules: PathRules): PathProblem | undefined {
  const path = parsePath(text, rules);
  if (!path.ok) return path.error;
  return path.value.mailbox && path.value.rest === "" ? undefined : "syntax";
}

/** A user is what could stand before an @. */
function userProblem(text: string, rules: PathRules): PathProblem | undefined {
  const found = parseAddress(text.includes("@") ? text : `${text}@localhost`, rules);
  return found.ok ? undefined : found.error;
}
