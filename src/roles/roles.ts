// THE table: which processes there are, as whom they run, what they may read and write, whom they answer. The supervisor starts
// from it; test/flows/roles.test.ts compares it with the running processes. docs/trust.md says what a thief of each would gain.

import type { SlicedRole } from "#config/slice.ts";

/** Users of ours; new ones come last. */
export const users = [
  "log",
  "smtp",
  "auth",
  "queue",
  "mail",
  "remote",
  "gate",
  "admin",
  "ledger",
  "tlspolicy",
  "lspawn",
] as const;
export type User = (typeof users)[number];

/** Groups beside each user's own: who may read the spool. */
export const groups = ["spool"] as const;
export type Group = (typeof groups)[number];

/** Whose numbers follow each other from `users.base` on. New ones come last: files keep the numbers of their owners. */
export const numbered: readonly (User | Group)[] = [...users.slice(0, 9), ...groups, ...users.slice(9)];

export interface RoleRow {
  readonly user: User;
  readonly groups: readonly Group[];
  /** "accept": takes connections from the network; "connect": makes them; "none": an empty network namespace, as root. */
  readonly network: "accept" | "connect" | "none";
  /** Directories below the data directory. Those it may write are made for its user before it starts. */
  readonly reads: readonly string[];
  readonly writes: readonly string[];
  /** Who may ask it: one Unix socket for each, which only that role's user may open. */
  readonly answers: readonly (SlicedRole | "supervisor" | "control")[];
  /** Setting that says how many processes there are; undefined: one. */
  readonly processes: "smtpd" | "gate" | "reader" | undefined;
  /** It makes files durable. Node 26 refuses fsync and fdatasync under --permission, so these roles do without that seat belt; their
   * user and their namespace are the wall (docs/decisions/0004). */
  readonly syncs: boolean;
  /** It may start threads of JavaScript: for the site's own rules. */
  readonly workers: boolean;
  /** Threads for files, name look-ups and key derivation (UV_THREADPOOL_SIZE). */
  readonly threads: number;
  /** Open files (prlimit). */
  readonly files: number;
  /** V8 collects garbage early and at once: new objects live in 2 MiB, and no thread of the collector falls behind when attackers take all the
   * CPU. Of the buffers that its small objects hold it knows little: sys/garbage.ts. */
  readonly tidy?: boolean;
  /** MiB for new objects, where V8's own choice would cost memory and win nothing. */
  readonly young?: number;
  /** Capabilities that it keeps although its user has none (capabilities(7)). */
  readonly capabilities?: readonly string[];
}

const everybody = [
  "supervisor",
  "smtpd",
  "auth",
  "ledger",
  "queue",
  "local",
  "remote",
  "tlspolicy",
  "gate",
  "reader",
  "lspawn",
] as const;

/** In the order they are started; those that are asked come before those who ask. */
export const roles: { readonly [R in SlicedRole]: RoleRow } = {
  logger: {
    user: "log",
    groups: [],
    network: "none",
    reads: [],
    writes: ["log"],
    answers: everybody,
    processes: undefined,
    syncs: false,
    workers: false,
    threads: 1,
    files: 1024,
  },
  lspawn: {
    user: "lspawn",
    groups: ["spool"],
    // that of the programs which it starts for users
    network: "connect",
    reads: ["spool"],
    writes: ["lines", "programs"],
    answers: ["auth", "local"],
    processes: undefined,
    syncs: true,
    workers: false,
    threads: 2,
    files: 1024,
    // to become users, to end what was started as them, to make namespaces
    capabilities: ["setuid", "setgid", "kill", "sys_admin"],
  },
  auth: {
    user: "auth",
    groups: [],
    network: "none",
    reads: [],
    writes: ["accounts"],
    answers: ["smtpd", "queue", "local", "gate", "reader"],
    processes: undefined,
    syncs: false,
    workers: false,
    threads: 2,
    files: 4096,
  },
  ledger: {
    user: "ledger",
    groups: [],
    network: "none",
    reads: [],
    writes: ["ledger"],
    answers: ["smtpd", "local", "reader", "control"],
    processes: undefined,
    syncs: true,
    workers: false,
    threads: 1,
    files: 1024,
  },
  local: {
    user: "mail",
    groups: ["spool"],
    network: "none",
    reads: ["spool"],
    writes: ["mail"],
    answers: ["queue"],
    processes: undefined,
    syncs: true,
    workers: false,
    threads: 16,
    files: 4096,
  },
  tlspolicy: {
    user: "tlspolicy",
    groups: [],
    network: "connect",
    reads: [],
    writes: ["policies"],
    answers: ["remote"],
    processes: undefined,
    syncs: false,
    workers: false,
    threads: 1,
    files: 1024,
    tidy: true,
  },
  remote: {
    user: "remote",
    groups: ["spool"],
    network: "connect",
    reads: ["spool"],
    writes: [],
    answers: ["queue"],
    processes: undefined,
    syncs: false,
    workers: false,
    threads: 4,
    files: 4096,
  },
  queue: {
    user: "queue",
    groups: ["spool"],
    network: "none",
    reads: [],
    writes: ["spool", "drop", "drop/new", "drop/aside"],
    answers: ["smtpd", "tlspolicy", "control"],
    processes: undefined,
    syncs: true,
    workers: false,
    threads: 4,
    files: 4096,
    young: 4,
  },
  reader: {
    user: "mail",
    groups: [],
    network: "none",
    reads: [],
    writes: ["mail"],
    answers: ["gate"],
    processes: "reader",
    syncs: true,
    workers: false,
    threads: 4,
    files: 16_384,
  },
  smtpd: {
    user: "smtp",
    groups: [],
    network: "accept",
    reads: ["rules"],
    writes: [],
    answers: [],
    processes: "smtpd",
    syncs: false,
    workers: true,
    threads: 2,
    files: 16_384,
    tidy: true,
  },
  gate: {
    user: "gate",
    groups: [],
    network: "accept",
    reads: [],
    writes: [],
    answers: [],
    processes: "gate",
    syncs: false,
    workers: false,
    threads: 2,
    files: 32_768,
  },
};

export const roleNames = Object.keys(roles) as readonly SlicedRole[];

/** The socket on which `role` (its process `index`) answers `peer`; relative to the data directory. */
export function socketPath(role: SlicedRole | "supervisor", peer: string, index = 0): string {
  return `run/${index === 0 ? role : `${role}.${index}`}/${peer}.sock`;
}
