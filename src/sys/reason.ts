// The system's own words for what went wrong, without the path and the call that Node puts around them.

import { getSystemErrorMap } from "node:util";
import { codeOf, messageOf, Trouble } from "#base/problem.ts";

/** "permission denied" for EACCES; the message of what is no error of the system. */
export function systemReason(thrown: unknown): string {
  const code = codeOf(thrown);
  if (code !== undefined)
    for (const [name, words] of getSystemErrorMap().values()) if (name === code) return words;
  return messageOf(thrown instanceof Trouble && thrown.cause !== undefined ? thrown.cause : thrown);
}
