// How many open files the system grants this process: a connection is one, and the last of them must still hear why it is not served.

import { limits } from "#base/limits.ts";

/** Descriptors that are not connections: links to other roles, and what Node itself has open. */
const OWN = 100;

let granted: number | undefined;

/** `wanted` connections, or as many as there can be. */
export function connectionsFor(wanted: number): number {
  granted ??= openFiles();
  return Math.max(1, Math.min(wanted, granted - OWN - limits.refusal.atATime));
}

/** RLIMIT_NOFILE; without end where the system says so. */
function openFiles(): number {
  // at the start there are no connections yet, whose names it would look up
  const report = process.report.getReport() as { userLimits?: { open_files?: { soft?: number | string } } };
  const soft = report.userLimits?.open_files?.soft;
  return typeof soft === "number" ? soft : Number.POSITIVE_INFINITY;
}
