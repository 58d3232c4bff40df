// What an exception means for a session.

import { accept, reject, type Verdict } from "../verdict.ts";
import { type Exception, formatException } from "./line.ts";

/** A denied one is refused with `text`. One that is allowed is accepted here; that other rules spare it is the judge's doing. */
export function exceptionVerdict(found: Exception | undefined, text: string): Verdict {
  if (!found) return accept();
  const evidence = formatException(found);
  return found.verdict === "deny" ? reject(text, evidence) : accept(evidence);
}
