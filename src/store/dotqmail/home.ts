// A user's home and the .qmail file in it, looked at with his rights: what must be so before anything is done, with qmail's texts.

import { limits } from "#base/limits.ts";
import { err, ok, type Result } from "#base/result.ts";
import { enter, isThere, kindOf, readOwnFile } from "#sys/ownfiles.ts";
import { systemReason } from "#sys/reason.ts";
import type { Owner, Target } from "#wire/dotqmail/environment.ts";
import { candidatesFor, ownerFiles } from "#wire/dotqmail/search.ts";

/** How a delivery ends before it has begun. */
export interface Stop {
  readonly kind: "failed" | "deferred";
  readonly report: string;
}

const later = (report: string): Result<never, Stop> => err({ kind: "deferred", report });

/** Others may write. */
const WRITABLE = 0o002;
const STICKY = 0o1000;
/** The owner may execute: the file is for forwards only. */
const EXECUTABLE = 0o100;

/** Goes to the home. The value is a warning, or "". `showing`: nothing will be delivered. */
export function enterHome(home: string, showing: boolean): Result<string, Stop> {
  let mode: number;
  try {
    enter(home);
    mode = kindOf(".")?.mode ?? 0;
  } catch (thrown) {
    return later(`Unable to switch to ${home}: ${systemReason(thrown)}. (#4.3.0)`);
  }
  if (mode & WRITABLE) return later("Uh-oh: home directory is writable. (#4.7.0)");
  if ((mode & STICKY) === 0) return ok("");
  return showing
    ? ok("Warning: home directory is sticky.")
    : later("Home directory is sticky: user is editing his .qmail file. (#4.2.1)");
}

export interface FoundInstructions {
  /** Empty: what is delivered by default. */
  readonly text: Buffer;
  readonly forwardOnly: boolean;
  /** The variable DEFAULT. */
  readonly default: string | undefined;
}

/** The file for an extension, in the home. */
export function findInstructions({ dash, extension }: Target): Result<FoundInstructions, Stop> {
  for (const candidate of candidatesFor(dash, extension)) {
    try {
      // one byte more than it may have, so that it shows
      const found = readOwnFile(candidate.name, limits.dotqmail.file + 1);
      if (!found) continue;
      if (found.mode & WRITABLE) return later("Uh-oh: .qmail file is writable. (#4.7.0)");
      const forwardOnly = (found.mode & EXECUTABLE) !== 0;
      return ok({ text: found.bytes, forwardOnly, default: candidate.default });
    } catch (thrown) {
      return later(`Unable to open ${candidate.name}: ${systemReason(thrown)}. (#4.3.0)`);
    }
  }
  if (dash === "") return ok({ text: Buffer.alloc(0), forwardOnly: false, default: undefined });
  return err({ kind: "failed", report: "Sorry, no mailbox here by that name. (#5.1.1)" });
}

/** Who is to hear of what is forwarded. */
export function findOwner({ dash, extension }: Target): Result<Owner, Stop> {
  const { owner, ownerDefault } = ownerFiles(dash, extension);
  for (const [name, without] of [
    [owner, "none"],
    [ownerDefault, "owner"],
  ] as const) {
    try {
      if (!isThere(name)) return ok(without);
    } catch (thrown) {
      return later(`Unable to open ${name}: ${systemReason(thrown)}. (#4.3.0)`);
    }
  }
  return ok("verp");
}
