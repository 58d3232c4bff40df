// What the processes of a server use, from /proc: the CPU time of its whole tree, and its syncs as strace counts them.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";

/** Unit of the times in /proc/PID/stat; the same on every Linux. */
const TICKS_PER_SECOND = 100;

/** The fields of /proc/PID/stat from the third (the state) on; undefined when the process has ended. */
function statOf(pid: number): readonly string[] | undefined {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    // it ended meanwhile
    return undefined;
  }
}

/** A process and all that come from it. */
export function tree(root: number): readonly number[] {
  const children = new Map<number, number[]>();
  for (const name of fs.readdirSync("/proc")) {
    const stat = /^\d+$/.test(name) ? statOf(Number(name)) : undefined;
    const parent = Number(stat?.[1]);
    if (stat) children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const found = [root];
  for (let at = 0; at < found.length; at++) found.push(...(children.get(found[at] ?? 0) ?? []));
  return found;
}

/** CPU milliseconds by process name so far; those of processes that have ended count for the one that waited for them. */
export function cpuByName(root: number): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const pid of tree(root)) {
    const stat = statOf(pid);
    if (!stat) continue;
    // utime, stime, cutime, cstime
    const ticks = stat.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    const name = nameOf(pid);
    sums.set(name, (sums.get(name) ?? 0) + (ticks * 1000) / TICKS_PER_SECOND);
  }
  return sums;
}

/** The process of a tree with this name; undefined when there is none. */
export const processNamed = (root: number, name: string): number | undefined =>
  tree(root).find((pid) => nameOf(pid) === name);

/** CPU milliseconds of one process so far; 0 when it has ended. */
export const cpuOf = (pid: number): number =>
  ((statOf(pid) ?? []).slice(11, 13).reduce((sum, field) => sum + Number(field), 0) * 1000) /
  TICKS_PER_SECOND;

/** Resident memory of a process, KiB; 0 when it has ended. */
export function residentOf(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
  } catch {
    // it ended meanwhile
    return 0;
  }
}

/** Lets this process have so many open files; false when the system does not. */
export function allowFiles(wanted: number): boolean {
  const most = () =>
    Number(/^Max open files\s+(\d+)/m.exec(fs.readFileSync("/proc/self/limits", "utf8"))?.[1]);
  if (most() >= wanted) return true;
  for (const limit of [`${wanted}:`, `${wanted}:${wanted}`])
    if (spawnSync("prlimit", ["--pid", String(process.pid), `--nofile=${limit}`]).status === 0) break;
  return most() >= wanted;
}

function nameOf(pid: number): string {
  try {
    const [title = ""] = fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    // as our roles call themselves
    const role = /^kenro (\S+)/.exec(title)?.[1];
    if (role !== undefined) return role;
    return fs.readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    // it ended meanwhile
    return "ended";
  }
}

/** CPU milliseconds that all processors have been busy with anything, since the machine started. */
export function cpuOfMachine(): number {
  const fields = /^cpu +(.*)/.exec(fs.readFileSync("/proc/stat", "utf8"))?.[1]?.split(" ").map(Number) ?? [];
  // user, nice, system, then idle and iowait, then irq, softirq, steal
  const busy = fields.filter((_, at) => at < 3 || (at > 4 && at < 8));
  return (busy.reduce((sum, each) => sum + each, 0) * 1000) / TICKS_PER_SECOND;
}

const SYNCS = "fsync,fdatasync,sync_file_range,syncfs,sync";

/** How many syncs the tree makes while `work` runs; it runs slowly meanwhile. `report`: a file to write to. */
export async function countSyncs(root: number, report: string, work: () => Promise<void>): Promise<number> {
  const attach = tree(root).flatMap((pid) => ["-p", String(pid)]);
  const tracer = spawn("strace", ["-f", "-c", "-o", report, "-e", `trace=${SYNCS}`, ...attach], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = once(tracer, "close");
  try {
    // "strace: Process 1 attached", when it has stopped and traced them all
    await Promise.race([once(tracer.stderr, "data"), ended]);
    await work();
  } finally {
    tracer.kill("SIGINT");
    await ended;
  }
  return callsIn(fs.readFileSync(report, "utf8"));
}

/** The column "calls" of the last line, "total". */
function callsIn(report: string): number {
  const lines = report.split("\n").filter((line) => /^\s*\d+\.\d+\s/.test(line) && !line.endsWith(" total"));
  return lines.reduce((sum, line) => sum + Number(line.trim().split(/\s+/)[3]), 0);
}
