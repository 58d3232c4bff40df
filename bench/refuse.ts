// What it costs to refuse, turn by turn in one run on the same machine: sessions whose recipient does not exist (550), beside Postfix and a
// server that is nothing but Node; and sessions of clients that an access rule refuses (5xx at RCPT), beside Postfix's postscreen and ucspi-tcp's tcpserver with rblsmtpd.
// usage: node bench/refuse.ts [--sessions 4000] [--connections 20] [--rounds 3] [unknown] [blocked]

import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { startBare } from "./bare.ts";
import { startKenro } from "./kenro.ts";
import { build, sendRefused } from "./load.ts";
import { postfixProblem, startPostfix } from "./postfix.ts";
import { cpuByName } from "./processes.ts";
import { Missing, type Server } from "./server.ts";
import { startTcpserver, tcpserverProblem } from "./tcpserver.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sessions: { type: "string", default: "4000" },
    connections: { type: "string", default: "20" },
    rounds: { type: "string", default: "3" },
  },
});

interface Measured {
  readonly rate: number;
  /** ms a session, by process. */
  readonly cpu: ReadonlyMap<string, number>;
}

/** What must be undone, the last first. */
const undo: (() => Promise<void> | void)[] = [];

function directoryFor(name: string): string {
  const directory = fs.mkdtempSync(path.join(tmpdir(), `kenro-refuse-${name}-`));
  undo.push(() => fs.rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function started(begin: (directory: string) => Promise<Server>, name: string): Promise<Server> {
  const server = await begin(directoryFor(name));
  undo.push(() => server.stop());
  return server;
}

async function measure(generator: string, server: Server): Promise<Measured> {
  const load = { messages: Number(values.sessions), connections: Number(values.connections) };
  const before = cpuByName(server.pid);
  const sent = await sendRefused(generator, server, load);
  if (sent.failed > 0) throw new Missing(`${server.name}: ${sent.failed} sessions failed: ${sent.error}`);
  const cpu = new Map<string, number>();
  for (const [name, ms] of cpuByName(server.pid))
    cpu.set(name, (ms - (before.get(name) ?? 0)) / load.messages);
  return { rate: sent.accepted / sent.seconds, cpu };
}

const total = ({ cpu }: Measured): number => [...cpu.values()].reduce((sum, ms) => sum + ms, 0);

function tell(server: Server, measured: Measured): void {
  const roles = [...measured.cpu].filter(([, ms]) => ms >= 0.005);
  const shares = roles.map(([name, ms]) => `${name} ${ms.toFixed(3)}`).join(", ");
  console.log(`| ${server.name} | ${measured.rate.toFixed(0)} | ${total(measured).toFixed(3)} | ${shares} |`);
}

const REFUSAL = "This server takes no mail from you";

/** What is refused, and by whom beside Kenro. */
const scenes = {
  unknown: async () => [
    await started(startKenro, "kenro"),
    ...(await unless(postfixProblem(), startPostfix, "postfix")),
    await started(startBare, "bare"),
  ],
  blocked: async () => [
    await started(startBlocking, "kenro"),
    ...(await unless(
      postfixProblem(),
      (directory) => startPostfix(directory, { screened: true }),
      "postscreen",
    )),
    ...(await unless(tcpserverProblem(), (directory) => startTcpserver(directory, REFUSAL), "tcpserver")),
  ],
} as const satisfies Record<string, () => Promise<readonly Server[]>>;

type Scene = keyof typeof scenes;

/** Kenro with the rule that the others have. */
async function startBlocking(directory: string): Promise<Server> {
  const server = await startKenro(directory);
  fs.writeFileSync(path.join(directory, "rules/smtp.rules"), `:allow,RBLSMTPD="-${REFUSAL}"\n`);
  return server;
}

async function unless(
  problem: string | undefined,
  begin: (directory: string) => Promise<Server>,
  name: string,
): Promise<readonly Server[]> {
  if (problem === undefined) return [await started(begin, name)];
  console.error(`${problem}; ${name} is not measured.`);
  return [];
}

async function play(scene: Scene, generator: string): Promise<void> {
  const servers = await scenes[scene]();
  // nobody measures a server that was started a second ago
  for (const server of servers) await measure(generator, server);
  console.log(`\n${scene}\n\n| server | sessions/s | CPU ms/session | of which |`);
  console.log("|---|--:|--:|---|");
  for (let round = 0; round < Number(values.rounds); round++)
    for (const server of round % 2 === 0 ? servers : servers.toReversed())
      tell(server, await measure(generator, server));
}

async function run(): Promise<void> {
  const wanted = positionals.length > 0 ? positionals : Object.keys(scenes);
  const strange = wanted.find((each) => !Object.hasOwn(scenes, each));
  if (strange !== undefined) throw new Missing(`There is no "${strange}": unknown, blocked`);
  const generator = build(directoryFor("load"));
  for (const scene of wanted) await play(scene as Scene, generator);
}

try {
  await run();
} catch (thrown) {
  if (!(thrown instanceof Missing)) throw thrown;
  console.error(thrown.message);
  process.exitCode = 2;
} finally {
  for (let step = undo.pop(); step; step = undo.pop()) await step();
}
