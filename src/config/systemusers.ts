// Settings of mail for users of the machine.

import { z } from "zod";
import { count, duration, size } from "./values.ts";

const name = z
  .string()
  .toLowerCase()
  .regex(/^[^\s:@]{1,255}(?::[^\s:@]{1,64})?$/, 'expected "example.org" or "example.org:user"');

/** The section [system_users]. */
export const systemUsersSection = {
  meaning:
    "Mail for users of this machine, as their .qmail files say (docs/dotqmail.md). It needs a server that was started as root.",
  settings: {
    enabled: {
      type: z.enum(["on", "off"]),
      standard: "off",
      meaning: '"on": mail for users of the machine is delivered, each with his own rights.',
      seenBy: ["supervisor", "auth"],
    },
    allow_programs: {
      type: z.enum(["on", "off"]),
      standard: "off",
      meaning:
        '"on": instructions of accounts (`kenro user qmail`) may start programs: each alone, as a user of its own, without network. It does not need `enabled`.',
      seenBy: ["supervisor", "lspawn"],
    },
    domains: {
      type: z.array(name).max(10_000),
      standard: [],
      meaning:
        'Domains whose local parts are users: "example.org"; "example.org:joe-shop" makes info@example.org mean joe-shop-info. Accounts in them come first.',
      seenBy: ["auth"],
    },
    assign: {
      type: z.string(),
      standard: "users/assign",
      meaning:
        'Lines as in qmail\'s users/assign, or users/cdb when its name ends in "cdb": which addresses are whose. Relative to this directory; readable for all; looked at when it changes. It need not be there.',
      seenBy: ["lspawn"],
    },
    passwd: {
      type: z.string(),
      standard: "/etc/passwd",
      meaning: 'Where users are who stand in no such line; "" for nowhere.',
      seenBy: ["lspawn"],
    },
    alias: {
      type: z.string().regex(/^[^\s:]+$/, "expected the name of a user"),
      standard: "alias",
      meaning: "The user who has everything that is nobody's; such addresses do not exist when he does not.",
      seenBy: ["lspawn"],
    },
    default_delivery: {
      type: z.string().regex(/^[^\0]*$/, "expected lines of a .qmail file"),
      standard: "./Maildir/",
      meaning: "Lines for users without a .qmail file. A Maildir that these lines name is made.",
      seenBy: ["lspawn"],
    },
    workers: {
      type: count(1, 200),
      standard: 10,
      meaning: "Users that are delivered to at a time; each costs some 60 MB meanwhile.",
      seenBy: ["lspawn"],
    },
    idle: {
      type: duration.pipe(z.int().min(100).max(3_600_000, "expected at most 1h")),
      standard: "10s",
      meaning: "How long a user's process waits for more mail before it ends.",
      seenBy: ["lspawn"],
    },
    time: {
      type: duration.pipe(z.int().min(1000, "expected at least 1s").max(600_000, "expected at most 10m")),
      standard: "5m",
      meaning: "How long a delivery may take, all its programs together.",
      seenBy: ["lspawn"],
    },
    memory: {
      type: size.pipe(z.int().min(16 * 1024 * 1024, "expected at least 16M")),
      standard: "1G",
      meaning:
        "Memory (data, RLIMIT_DATA) of each process of a program. With less than 768M no program that is written for Node.js runs.",
      seenBy: ["lspawn"],
    },
    processes: {
      type: count(8, 100_000),
      standard: 200,
      meaning: "Processes that a user may have while a program runs, those of his logins counted.",
      seenBy: ["lspawn"],
    },
    file_size: {
      type: size.pipe(z.int().min(65_536, "expected at least 64K")),
      standard: "1G",
      meaning: "The largest file that a program may write.",
      seenBy: ["lspawn"],
    },
    cpu: {
      type: duration.pipe(z.int().min(1000, "expected at least 1s").max(3_600_000, "expected at most 1h")),
      standard: "1m",
      meaning: "CPU time of each process of a program.",
      seenBy: ["lspawn"],
    },
  },
} as const;
