// kenro demo: a server to try things with, on 127.0.0.1 and high ports, with one account.

import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { codeOf } from "#base/problem.ts";
import { CONFIG_FILE } from "#config/file.ts";
import { listenersOf } from "#config/listeners.ts";
import { loadConfig } from "#config/load.ts";
import type { Config } from "#config/schema.ts";
import { supervise } from "#roles/supervisor/main.ts";
import { complain, print, type Run } from "../call.ts";
import { continueStripped } from "../code.ts";
import { Refusal } from "../exit.ts";
import { runSelf } from "../self.ts";
import { isRunning } from "../server.ts";
import { shellWord } from "../text.ts";
import { makeServer, standardPorts } from "./init.ts";

const HOSTNAME = "mail.kenro.test";
const DOMAIN = "kenro.test";
const ACCOUNT = `demo@${DOMAIN}`;
/** The password, kept for the next start. */
const NOTE = "demo.txt";
const BASES = [20_000, 30_000, 40_000, 50_000, 60_000] as const;

export const demo: Run = async ({ given }) => {
  // as root too: a demonstration does not go into the system's directory
  const directory = path.resolve(given ?? "kenro-data");
  if (!fs.existsSync(path.join(directory, CONFIG_FILE))) await make(directory);
  continueStripped(directory);
  await moveIfBusy(directory);
  const password = passwordOf(directory);
  const config = loadConfig(directory);
  if (!config.ok) throw new Refusal(config.error.join("\n"));
  const { value } = config;
  process.title = "kenro supervisor";
  return supervise(directory, {
    ready: () => {
      for (const line of welcome(directory, value, password)) print(line);
      print("ready");
    },
    say: complain,
  });
};

async function make(directory: string): Promise<void> {
  const base = await freeBase();
  if (base !== BASES[0])
    complain(`Some of the ports ${BASES[0]} + n are in use, so this server takes ${base} + n`);
  makeServer({ directory, hostname: HOSTNAME, domains: [DOMAIN], portBase: base });
}

/** Another program may have taken our ports since the last start: then all listeners move, as long as they are as we made them. */
async function moveIfBusy(directory: string): Promise<void> {
  const file = path.join(directory, CONFIG_FILE);
  const config = loadConfig(directory);
  if (!config.ok || isRunning(directory)) return;
  const own = placesOf(config.value);
  if (own.some(({ address }) => address !== "127.0.0.1")) return;
  const free = await Promise.all(own.map(({ port }) => isFree(port)));
  if (free.every(Boolean)) return;
  const base = await freeBase();
  let text = fs.readFileSync(file, "utf8");
  for (const { port, service } of own)
    text = text.replace(`"127.0.0.1:${port}"`, `"127.0.0.1:${base + standardPorts[service]}"`);
  const draft = `${file}.new`;
  fs.writeFileSync(draft, text, { mode: 0o600, flush: true });
  fs.renameSync(draft, file);
  complain(`Another program uses a port of this server, so it takes ${base} + n from now on`);
}

interface Place {
  readonly service: keyof Config["listen"];
  readonly address: string;
  readonly port: number;
}

/** The listeners of [listen]; those in blocks somebody has added. */
const placesOf = (config: Config): readonly Place[] =>
  listenersOf(config).flatMap(({ name, sockets }) =>
    Object.hasOwn(config.listen, name)
      ? sockets.map(({ address, port }) => ({ service: name as keyof Config["listen"], address, port }))
      : [],
  );

async function freeBase(): Promise<number> {
  for (const base of BASES) {
    const free = await Promise.all(Object.values(standardPorts).map((port) => isFree(base + port)));
    if (free.every(Boolean)) return base;
  }
  throw new Refusal(
    `Cannot find free ports at ${BASES.join(", ")}; stop what uses them or use: kenro init --port-base`,
  );
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

/** Of the account, which is made at the first start. */
function passwordOf(directory: string): string {
  const note = path.join(directory, NOTE);
  const kept = readNote(note);
  if (kept !== undefined) return kept;
  // a first start that was cut short may have come as far as kenro.toml only
  const domains = listed(directory, "domain") as readonly { name: string }[];
  if (!domains.some(({ name }) => name === DOMAIN)) runSelf(["domain", "add", DOMAIN, "--dir", directory]);
  const accounts = listed(directory, "user") as readonly { address: string }[];
  const verb = accounts.some(({ address }) => address === ACCOUNT) ? "passwd" : "add";
  const made = JSON.parse(runSelf(["user", verb, ACCOUNT, "--json", "--dir", directory])) as {
    password: string;
  };
  fs.writeFileSync(note, `${ACCOUNT} ${made.password}\n`, { mode: 0o600 });
  return made.password;
}

const listed = (directory: string, what: "domain" | "user"): unknown =>
  JSON.parse(runSelf([what, "list", "--json", "--dir", directory]));

function readNote(note: string): string | undefined {
  try {
    return fs.readFileSync(note, "utf8").split(/\s+/)[1];
  } catch (thrown) {
    if (codeOf(thrown) === "ENOENT") return undefined;
    throw thrown;
  }
}

const meanings: Readonly<Record<keyof Config["listen"], string>> = {
  mx: "SMTP, mail from other servers",
  submission: "SMTP with STARTTLS, mail from users",
  submissions: "SMTP with TLS, mail from users",
  pop3: "POP3 with STLS",
  pop3s: "POP3 with TLS",
  imap: "IMAP with STARTTLS",
  imaps: "IMAP with TLS",
  qmtp: "QMTP, mail from other servers",
  qmqp: "QMQP, mail from programs on this machine",
};

function welcome(directory: string, config: Config, password: string): readonly string[] {
  const listeners = placesOf(config);
  const at = (service: keyof Config["listen"]): string => {
    const found = listeners.find((each) => each.service === service);
    return found ? `${found.address}:${found.port}` : `127.0.0.1:${standardPorts[service]}`;
  };
  const login = `${ACCOUNT}:${password}`;
  const imap = `a LOGIN ${ACCOUNT} ${password}\\r\\nb SELECT INBOX\\r\\nc FETCH 1:* (FLAGS BODY[])\\r\\nd LOGOUT\\r\\n`;
  const place = shellWord(directory);
  return [
    "",
    "Kenro runs. This is a demonstration on 127.0.0.1 with a certificate that nobody has signed.",
    "",
    `  address    ${ACCOUNT}`,
    `  password   ${password}`,
    "",
    ...listeners.map(
      ({ service, port }) => `  ${service.padEnd(12)}${String(port).padEnd(7)}${meanings[service]}`,
    ),
    "",
    "Send a message, then read it; three ways, each a line to copy:",
    "",
    `  swaks --server ${at("submission")} --tls --auth PLAIN --auth-user ${ACCOUNT} --auth-password ${password} --from ${ACCOUNT} --to ${ACCOUNT} --header 'Subject: Hello'`,
    "",
    `  printf 'From: ${ACCOUNT}\\r\\nTo: ${ACCOUNT}\\r\\nSubject: Hello\\r\\n\\r\\nIt works.\\r\\n' | curl -sSk smtps://${at("submissions")} -u ${login} --mail-from ${ACCOUNT} --mail-rcpt ${ACCOUNT} -T - && sleep 1 && curl -sSk -u ${login} pop3s://${at("pop3s")}/1`,
    "",
    `  (sleep 1; printf '${imap}'; sleep 1) | openssl s_client -quiet -connect ${at("imaps")} 2>/dev/null`,
    "",
    `The log: bin/kenro log -f --dir ${place}   (files in ${path.join(directory, "log")})`,
    `To stop: Ctrl-C here, or bin/kenro stop --dir ${place}`,
    "",
  ];
}
