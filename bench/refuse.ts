// What it costs to refuse: sessions whose recipient does not exist (550), beside Postfix on the same machine, turn by turn in one run.
// usage: node bench/refuse.ts [--sessions 4000] [--connections 20] [--rounds 3]

import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { startKenro } from "./kenro.ts";
import { build, sendRefused } from "./load.ts";
import { postfixProblem, startPostfix } from "./postfix.ts";
import { cpuByName } from "./processes.ts";
import { Missing, type Server } from "./server.ts";

const { values } = parseArgs({
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

async function run(): Promise<void> {
  const generator = build(directoryFor("load"));
  const problem = postfixProblem();
  if (problem) console.error(`${problem}; only Kenro is measured.`);
  const servers = [
    await started(startKenro, "kenro"),
    ...(problem ? [] : [await started(startPostfix, "postfix")]),
  ];
  // nobody measures a server that was started a second ago
  for (const server of servers) await measure(generator, server);
  console.log("| server | sessions/s | CPU ms/session | of which |");
  console.log("|---|--:|--:|---|");
  for (let round = 0; round < Number(values.rounds); round++)
    for (const server of round % 2 === 0 ? servers : servers.toReversed())
      tell(server, await measure(generator, server));
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
