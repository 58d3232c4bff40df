// What a milter answers: a verdict on the step, or at the end of the message what it changes before it says one.

import { err, ok, type Result } from "#base/result.ts";
import { type Packet, texts } from "./packet.ts";

export type MilterAnswer =
  /** Nothing against it so far. */
  | { readonly kind: "continue" }
  /** Nothing against it whatever comes. */
  | { readonly kind: "accept" }
  | { readonly kind: "reject" }
  | { readonly kind: "tempfail" }
  /** As "reject" or "tempfail", in the filter's own words. */
  | { readonly kind: "reply"; readonly code: number; readonly enhanced: string; readonly text: string }
  | { readonly kind: "discard" }
  | { readonly kind: "quarantine"; readonly why: string }
  /** Enough of this kind of packet. */
  | { readonly kind: "skip" }
  /** It is still at work. */
  | { readonly kind: "progress" }
  | { readonly kind: "addHeader"; readonly name: string; readonly value: string };

const plain: Readonly<Record<string, MilterAnswer>> = {
  a: { kind: "accept" },
  c: { kind: "continue" },
  d: { kind: "discard" },
  p: { kind: "progress" },
  r: { kind: "reject" },
  s: { kind: "skip" },
  t: { kind: "tempfail" },
};

/** Whether the message, not only the step, is decided or its end answered. */
export const isChange = ({ kind }: MilterAnswer): boolean =>
  kind === "addHeader" || kind === "quarantine" || kind === "progress";

/** The answer, or one sentence that says what is wrong with it. */
export function parseAnswer({ kind, data }: Packet): Result<MilterAnswer> {
  const known = plain[kind];
  if (known) return ok(known);
  switch (kind) {
    case "y":
      return parseReply(data);
    case "h":
      return parseField(data);
    case "i":
      // the place among the fields that were there (u32) is not kept: all new ones stand in front
      return data.length < 4 ? err("adds a field nowhere") : parseField(data.subarray(4));
    case "q":
      return ok({ kind: "quarantine", why: texts(data)[0] ?? "" });
    // SMFIR_CONN_FAIL, SMFIR_SHUTDOWN
    case "f":
    case "4":
      return ok({ kind: "tempfail" });
    default:
      return err(`says what was not agreed on ("${printable(kind)}")`);
  }
}

const printable = (kind: string) => (/^[!-~]$/.test(kind) ? kind : `0x${kind.charCodeAt(0).toString(16)}`);

/** "550 5.7.1 text", of one or more lines. */
function parseReply(data: Buffer): Result<MilterAnswer> {
  const lines = (texts(data)[0] ?? "").split(/\r?\n/).filter((line) => line !== "");
  const parsed = lines.map((line) =>
    /^([45]\d\d)(?:[ -]|$)(?:([45]\.\d{1,3}\.\d{1,3})(?: |$))?(.*)$/.exec(line),
  );
  const [first] = parsed;
  if (!first || parsed.some((line) => line?.[1] !== first[1]))
    return err("answers with a reply that is none");
  const code = Number(first[1]);
  // a class that is not the code's would confuse whoever reads it (RFC 2034 §4)
  const enhanced = first[2]?.[0] === String(first[1])[0] ? first[2] : code < 500 ? "4.7.1" : "5.7.1";
  // smfi_setreply wants "%" doubled
  const words = parsed
    .map((line) => line?.[3]?.replaceAll("%%", "%").trim() ?? "")
    .filter((line) => line !== "");
  return ok({ kind: "reply", code, enhanced: enhanced ?? "", text: words.join(" ") });
}

/** RFC 5322 §2.2: a name, and a value that cannot end the header section. */
function parseField(data: Buffer): Result<MilterAnswer> {
  const [name = "", value = ""] = texts(data);
  if (!/^[!-9;-~]{1,200}$/.test(name)) return err("adds a field whose name is none");
  return ok({ kind: "addHeader", name, value });
}
