// The command line: which commands there are, their options, and how they end. Each command's own file is loaded only when it runs.

import fs from "node:fs";
import { Command, CommanderError } from "commander";
import { codeOf, messageOf, Trouble } from "#base/problem.ts";
import { complain } from "./call.ts";
import { dataDirectory, namedDirectory } from "./directory.ts";
import { directoryGroups, directoryRows } from "./directoryrows.ts";
import { isHelper } from "./dotqmail/names.ts";
import { type ExitCode, Refusal } from "./exit.ts";
import { policyRows } from "./policyrows.ts";
import { option, type Row, several } from "./row.ts";
import { findName, type Name } from "./sendmail/names.ts";

const { version } = JSON.parse(fs.readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};

/** Which messages of the queue are meant: see selection.ts. */
const filters = [
  option("--sender <address>", 'from this address, or @domain; "<>" for bounces'),
  option("--recipient <address>", "that wait for this address, or @domain"),
  option("--age <time>", "in the queue for at least so long, such as 2h"),
  option("--status <name>", "deferred, held, running or waiting (not tried yet)"),
];
const ordering = [
  ...filters,
  option("--all", "every message"),
  option("-y, --yes", "do not ask, however many are meant"),
];

const rows: readonly Row[] = [
  {
    usage: "init",
    meaning: "make a data directory with kenro.toml and a self-signed certificate",
    options: [
      option("--hostname <name>", "name of this machine, such as mail.example.org"),
      option("--domain <name>", "domain to receive mail for (may be given several times)").argParser(several),
      option("--port-base <number>", "listen on 127.0.0.1 only, on this number + the standard port"),
      option("-y, --yes", "ask nothing"),
    ],
    load: async () => (await import("./commands/init.ts")).init,
  },
  {
    usage: "demo",
    meaning: "run a demonstration server in ./kenro-data on 127.0.0.1",
    load: async () => (await import("./commands/demo.ts")).demo,
  },
  {
    usage: "start",
    meaning: 'run the server in the foreground; prints "ready" when it serves',
    load: async () => (await import("./commands/start.ts")).start,
  },
  {
    usage: "stop",
    meaning: "stop the server and wait until it is gone",
    load: async () => (await import("./commands/server.ts")).stop,
  },
  {
    usage: "status",
    meaning: "one line for each role",
    load: async () => (await import("./commands/server.ts")).status,
  },
  {
    usage: "reload",
    meaning: "read kenro.toml again; a bad file never replaces a good one",
    load: async () => (await import("./commands/server.ts")).reload,
  },
  ...directoryRows,
  {
    usage: "queue list",
    meaning: "messages that wait, oldest first; also when no server runs",
    options: [...filters, option("--format <name>", "text, mailq (as Postfix) or qmail (as qmail-qread)")],
    load: async () => (await import("./commands/queue.ts")).list,
  },
  {
    usage: "queue show <id>",
    meaning: "one message: envelope, and for each recipient what happened and when it is tried next",
    options: [option("--headers", "its header section too")],
    load: async () => (await import("./commands/queue.ts")).show,
  },
  {
    usage: "queue stats",
    meaning: "the queue counted: by status, age, kind of failure and destination",
    load: async () => (await import("./commands/queue.ts")).stats,
  },
  {
    usage: "queue retry [id...]",
    meaning: "try messages now; without ids and filters all of them",
    options: filters,
    load: async () => (await import("./commands/queue.ts")).retry,
  },
  {
    usage: "queue hold [id...]",
    meaning: "do not try messages until they are released",
    options: ordering,
    load: async () => (await import("./commands/order.ts")).hold,
  },
  {
    usage: "queue release [id...]",
    meaning: "try messages again that were held",
    options: ordering,
    load: async () => (await import("./commands/order.ts")).release,
  },
  {
    usage: "queue bounce [id...]",
    meaning: "give messages up and tell their senders",
    options: ordering,
    load: async () => (await import("./commands/order.ts")).bounce,
  },
  {
    usage: "queue remove [id...]",
    meaning: "give messages up and tell nobody",
    options: ordering,
    load: async () => (await import("./commands/order.ts")).remove,
  },
  {
    usage: "queue export <file>",
    meaning: 'write messages that wait, with all that is known of them, to a file; "-" is standard output',
    options: filters,
    load: async () => (await import("./commands/transfer.ts")).exportQueue,
  },
  {
    usage: "queue import <file>",
    meaning: 'take the messages of an export that are not here yet; "-" is standard input',
    load: async () => (await import("./commands/transfer.ts")).importQueue,
  },
  {
    usage: "deliver <address>",
    meaning: "what would become of mail for an address, as qmail-local -n; 1: there is no such address",
    options: [
      option("--dry-run", "do nothing"),
      option("--sender <address>", "say also who would be the sender of what goes on"),
    ],
    load: async () => (await import("./commands/deliver.ts")).deliver,
  },
  ...policyRows,
  {
    usage: "log",
    meaning: "the log in local time, all roles together",
    options: [
      option("-f, --follow", "go on as lines come"),
      option("--id <id>", "only what belongs to this message or session"),
      option("-n, --lines <number>", "only the last lines (10 with -f)"),
    ],
    load: async () => (await import("./commands/log.ts")).log,
  },
  {
    usage: "import qmail [directory]",
    meaning:
      "do what a qmail installation (/var/qmail) does, as far as that can be, and say what became of each line; nothing of it is changed",
    options: [
      option("--dry-run", "only say what would become of it"),
      option(
        "--tcprules <file>",
        "rules of tcpserver for SMTP (else tcp.smtp in control, etc or the directory itself)",
      ),
    ],
    load: async () => (await import("./commands/import.ts")).qmail,
  },
  {
    usage: "rules compile <file>",
    meaning: 'make a cdb of access rules, as tcprules; "-" is standard input',
    options: [
      option("-o, --output <file>", "the file to write, replaced as a whole (<file>.cdb)"),
      option("--strict", "refuse what tcprules passes by: lines and addresses without effect"),
    ],
    load: async () => (await import("./commands/rules.ts")).compile,
  },
  {
    usage: "rules check <file>",
    meaning: "what access rules, as text or cdb, say about a client; first as tcprulescheck",
    options: [
      option("--ip <address>", "address of the client").makeOptionMandatory(),
      option("--name <name>", "its name, if that leads back to its address"),
      option("--info <user>", "what its ident server says"),
      option("--strict", "refuse what tcprules passes by: lines and addresses without effect"),
    ],
    load: async () => (await import("./commands/rules.ts")).check,
  },
  {
    usage: "rules f2d <list> <directory>",
    meaning: 'make a directory database of a list, one empty file for each line; "-" is standard input',
    options: [option("--prune", "remove entries that the list does not have")],
    load: async () => (await import("./commands/f2d.ts")).f2d,
  },
];

const groupMeanings: Readonly<Record<string, string>> = {
  ...directoryGroups,
  queue: "messages on their way",
  policy: "which mail is refused, and why",
  "policy exceptions": "what is allowed and denied whatever the rules say",
  spamdb: "rules that others keep, in spamdb's layout",
  ban: "clients that may not come for a time",
  rules: "who may connect, by address and name",
  import: "moving in",
};

function command(row: Row, name: string, done: (code: ExitCode) => void): Command {
  const made = new Command(name).description(row.meaning);
  made.addOption(
    option("--dir <directory>", "data directory (else KENRO_DIR, ./kenro-data, /var/lib/kenro)"),
  );
  made.addOption(option("--json", "output for programs"));
  for (const each of row.options ?? []) made.addOption(each);
  for (const each of row.usage.split(" ").filter((word) => /^[<[]/.test(word))) made.argument(each);
  made.action(async () => {
    const { dir, json, ...options } = made.opts<Record<string, unknown>>();
    const run = await row.load();
    const given = namedDirectory(dir as string | undefined);
    done(
      await run({
        directory: dataDirectory(given),
        given,
        json: json === true,
        // one that may be given several times is a list
        args: (made.processedArgs as (string | undefined | string[])[]).flat(),
        options,
      }),
    );
  });
  return made;
}

/** All commands; `done` is told how the one that ran has ended. */
function program(done: (code: ExitCode) => void): Command {
  const top = new Command("kenro").description("A complete mail server");
  top.version(version, "-V, --version", "print the version");
  top.addHelpText(
    "after",
    "\nAs on every Unix machine: kenro sendmail, kenro mailq, kenro newaliases (docs/sendmail.md), kenro inject (docs/inject.md), kenro qmqpc (docs/qmtp.md)",
  );
  const groups = new Map<string, Command>([["", top]]);
  for (const row of rows) {
    const words = row.usage.split(" ").filter((word) => !/^[<[]/.test(word));
    const parent = groupOf(words.slice(0, -1), groups);
    parent.addCommand(command(row, words.at(-1) ?? "", done));
  }
  for (const each of [top, ...everyCommand(top)]) {
    each.exitOverride().helpCommand(false);
    each.configureOutput({ writeErr: () => {} });
  }
  return top;
}

/** The group of these names, made with those above it where they are missing. */
function groupOf(names: readonly string[], groups: Map<string, Command>): Command {
  const key = names.join(" ");
  const known = groups.get(key);
  if (known) return known;
  const group = new Command(names.at(-1)).description(groupMeanings[key] ?? "");
  groups.set(key, group);
  groupOf(names.slice(0, -1), groups).addCommand(group);
  return group;
}

const everyCommand = (parent: Command): readonly Command[] =>
  parent.commands.flatMap((each) => [each, ...everyCommand(each)]);

function explain(thrown: unknown): ExitCode {
  if (thrown instanceof CommanderError) {
    if (thrown.exitCode === 0) return 0;
    if (thrown.code === "commander.help") complain("Which command? See: kenro --help");
    else complain(sentenceOf(thrown.message));
    return 2;
  }
  if (thrown instanceof Refusal) {
    complain(thrown.message);
    return thrown.code;
  }
  if (codeOf(thrown) === "EACCES" || codeOf(thrown) === "EPERM") {
    complain(`Cannot do this: ${messageOf(thrown)}; run it as the owner of the server or as root`);
    return 1;
  }
  complain(thrown instanceof Trouble ? thrown.message : `Cannot do this: ${messageOf(thrown)}`);
  return 111;
}

/** Commander's words in the manner of ours. */
function sentenceOf(message: string): string {
  const plain = message
    .replace(/^error: /, "")
    .replaceAll(/\s*\n\s*/g, " ")
    .replaceAll("'", '"');
  return `${plain.charAt(0).toUpperCase()}${plain.slice(1).replace(/\.$/, "")}; see: kenro --help`;
}

/** Programs of other mail systems. */
const models: Readonly<Record<Name["program"], (name: string, words: readonly string[]) => Promise<number>>> =
  {
    sendmail: async (name, words) => (await import("./commands/sendmail.ts")).sendmail(name, words),
    inject: async (name, words) => (await import("./commands/inject.ts")).inject(name, words),
    qmqpc: async (name, words) => (await import("./commands/qmqpc.ts")).qmqpc(name, words),
  };

async function main(): Promise<void> {
  const [, , first, ...words] = process.argv;
  const name = findName(first);
  // descriptor 1 is what qmqpc reads: whoever asks for process.stdout changes how it is read
  if (first !== undefined && name?.program === "qmqpc") process.exit(await models.qmqpc(first, words));
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    // whoever read our output has seen enough (`kenro log | head`)
    if (error.code === "EPIPE") process.exit(0);
  });
  // their options are those of their models, and they end as these do
  if (first !== undefined && name) return leave(await models[name.program](first, [...name.words, ...words]));
  if (isHelper(first)) {
    const { helper } = await import("./dotqmail/helpers.ts");
    return leave(await helper(first, words));
  }
  let code: ExitCode = 0;
  try {
    await program((ended) => {
      code = ended;
    }).parseAsync();
  } catch (thrown) {
    code = explain(thrown);
  }
  return leave(code);
}

/** Ends when everything is printed. */
async function leave(code: number): Promise<void> {
  await Promise.all([printed(process.stdout), printed(process.stderr)]);
  process.exit(code);
}

/** What was printed has left: a pipe that is read slowly takes it bit by bit, and what waits would be lost with the process. */
const printed = (stream: NodeJS.WriteStream): Promise<void> =>
  new Promise((resolve) => void stream.write("", () => resolve()));

await main();
