// The commands about which mail is refused, and about the feeds that say so.

import { option, type Row, several } from "./row.ts";

const exceptionOptions = [
  option("--comment <text>", "why"),
  option("--expires <when>", 'after that it does not count: "30d", "12h" or a date'),
];
const daysOption = option("--days <number>", "how far to look back at recorded sessions (30)");

export const policyRows: readonly Row[] = [
  {
    usage: "policy explain",
    meaning: "run the session rules on a made-up session and print every rule's verdict and evidence",
    options: [
      option("--ip <address>", "address of the client"),
      option("--helo <name>", "what the client calls itself"),
      option("--from <address>", 'sender; "" for a bounce'),
      option("--rcpt <address>", "recipient (may be given several times)").argParser(several),
      option("--listener <name>", 'by the rules of this listener ("mx")'),
    ],
    load: async () => (await import("./commands/policy.ts")).explain,
  },
  {
    usage: "policy allow <what>",
    meaning: "spare a client, name, HELO, sender or recipient from the rules",
    options: exceptionOptions,
    load: async () => (await import("./commands/exceptions.ts")).allow,
  },
  {
    usage: "policy deny <what>",
    meaning: "refuse a client, name, HELO, sender or recipient, whatever the rules say",
    options: exceptionOptions,
    load: async () => (await import("./commands/exceptions.ts")).deny,
  },
  {
    usage: "policy exceptions list",
    meaning: "what was allowed and denied, until when, by whom and why",
    load: async () => (await import("./commands/exceptions.ts")).list,
  },
  {
    usage: "policy exceptions remove <what>",
    meaning: "leave it to the rules again",
    load: async () => (await import("./commands/exceptions.ts")).remove,
  },
  {
    usage: "policy replay",
    meaning: "run recorded sessions through the rules as they are now and print what would be otherwise",
    options: [
      option("--feed <name>", "as if the version of this feed that waits were active"),
      option("--candidate <directory>", "as if this directory, in spamdb's layout, were a feed"),
      daysOption,
      option("--since <time>", 'the same as a time: "7d", "12h"'),
    ],
    load: async () => (await import("./commands/replay.ts")).replayed,
  },
  {
    usage: "policy stats",
    meaning: "refusals by day and rule, from the records of sessions",
    options: [option("--days <number>", "the last days (7)")],
    load: async () => (await import("./commands/sessions.ts")).stats,
  },
  {
    usage: "policy sessions",
    meaning: "records of sessions: client, verdict, refusals; with --id also what each rule saw",
    options: [
      option("--id <session>", "only this one, whole"),
      option("--ip <address>", "only those of this client"),
      option("--last <number>", "only the last ones (20)"),
    ],
    load: async () => (await import("./commands/sessions.ts")).sessions,
  },
  {
    usage: "ban add <client>",
    meaning: "ban an address or network (192.0.2.0/24) for a time",
    options: [
      option("--for <duration>", "how long, such as 1h or 7d (1d)"),
      option("--comment <text>", "why; the client is not told"),
    ],
    load: async () => (await import("./commands/ban.ts")).add,
  },
  {
    usage: "ban del <client>",
    meaning: "take a ban back",
    load: async () => (await import("./commands/ban.ts")).del,
  },
  {
    usage: "ban list",
    meaning: "who is banned: until when, by whom, why",
    load: async () => (await import("./commands/ban.ts")).list,
  },
  {
    usage: "spamdb add <name> <source>",
    meaning: "take rules of somebody else: a directory, a .tar.gz, https:, or a git repository",
    options: [option("--key <file>", "only what this Ed25519 key has signed"), daysOption],
    load: async () => (await import("./commands/spamdb.ts")).add,
  },
  {
    usage: "spamdb update [name]",
    meaning: "fetch one feed, or all; what would refuse wanted mail waits for you",
    options: [daysOption],
    load: async () => (await import("./commands/spamdb.ts")).update,
  },
  {
    usage: "spamdb list",
    meaning: "all feeds: what counts, and what waits",
    load: async () => (await import("./commands/spamdb.ts")).list,
  },
  {
    usage: "spamdb check [name]",
    meaning: "whom the version that waits, or else the one that counts, refuses of the recorded sessions",
    options: [daysOption],
    load: async () => (await import("./commands/spamdb.ts")).check,
  },
  {
    usage: "spamdb accept <name>",
    meaning: "let the version that waits count",
    load: async () => (await import("./commands/spamdb.ts")).accept,
  },
  {
    usage: "spamdb drop <name>",
    meaning: "throw the version that waits away",
    load: async () => (await import("./commands/spamdb.ts")).drop,
  },
  {
    usage: "spamdb except <name> <entry>",
    meaning: "leave out one entry of a feed, now and in all its updates",
    load: async () => (await import("./commands/spamdb.ts")).except,
  },
  {
    usage: "spamdb remove <name>",
    meaning: "do without a feed",
    load: async () => (await import("./commands/spamdb.ts")).remove,
  },
];
