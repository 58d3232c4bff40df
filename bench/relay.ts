// How fast mail goes through and out again, beside Postfix: both relay the same load to the same sink, turn by turn in one run.
// usage: node bench/relay.ts [--messages 3000] [--connections 20] [--size 4096] [--rounds 3] [--peers postfix]

import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { startKenro } from "./kenro.ts";
import { build, send } from "./load.ts";
import { postfixProblem, startPostfix } from "./postfix.ts";
import { cpuByName } from "./processes.ts";
import { Missing, type Server } from "./server.ts";
import { type Counter, startCounter } from "./sink.ts";

const { values } = parseArgs({
  options: {
    messages: { type: "string", default: "3000" },
    connections: { type: "string", default: "20" },
    size: { type: "string", default: "4096" },
    rounds: { type: "string", default: "3" },
    peers: { type: "string", default: "postfix" },
  },
});

/** How long the last message may take to come out, ms. */
const PATIENCE = 300_000;

const DOMAIN = "far.test";

/** What must be undone, the last first. */
const undo: (() => Promise<void> | void)[] = [];

function directoryFor(name: string): string {
  const directory = fs.mkdtempSync(path.join(tmpdir(), `kenro-relay-${name}-`));
  undo.push(() => fs.rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Kenro, which lets this machine send to anybody, by way of the sink. */
async function startRelay(directory: string, sink: Counter): Promise<Server> {
  const server = await startKenro(
    directory,
    undefined,
    (toml) => `${toml}\n[[route]]\nhost = "127.0.0.1:${sink.port}"\ntls = "none"\n`,
  );
  fs.writeFileSync(path.join(directory, "rules/smtp.rules"), '127.0.0.1:allow,RELAYCLIENT=""\n');
  return server;
}

interface Measured {
  readonly accepted: number;
  readonly relayed: number;
  /** ms a message, by process. */
  readonly cpu: ReadonlyMap<string, number>;
}

async function measure(
  generator: string,
  server: Server,
  sink: Counter,
  messages: number,
): Promise<Measured> {
  const before = cpuByName(server.pid);
  const taken = sink.taken;
  const begun = performance.now();
  const load = {
    messages,
    connections: Number(values.connections),
    size: Number(values.size),
    perConnection: 1,
  };
  const sent = await send(generator, { ...server, domain: DOMAIN }, load);
  if (sent.failed > 0) throw new Missing(`${server.name}: ${sent.failed} messages failed: ${sent.error}`);
  if (!(await sink.until(taken + messages, PATIENCE)))
    throw new Missing(`${server.name}: only ${sink.taken - taken} of ${messages} came out`);
  const relayed = (messages * 1000) / (performance.now() - begun);
  const cpu = new Map<string, number>();
  for (const [name, ms] of cpuByName(server.pid)) cpu.set(name, (ms - (before.get(name) ?? 0)) / messages);
  return { accepted: sent.accepted / sent.seconds, relayed, cpu };
}

function tell({ name }: Server, { accepted, relayed, cpu }: Measured): void {
  const total = [...cpu.values()].reduce((sum, ms) => sum + ms, 0);
  const roles = [...cpu].filter(([, ms]) => ms >= 0.005).map(([each, ms]) => `${each} ${ms.toFixed(2)}`);
  console.log(
    `| ${name} | ${accepted.toFixed(0)} | ${relayed.toFixed(0)} | ${total.toFixed(2)} | ${roles.join(", ")} |`,
  );
}

async function run(): Promise<void> {
  const generator = build(directoryFor("load"));
  const sink = await startCounter();
  undo.push(() => sink.stop());
  const servers: Server[] = [await startRelay(directoryFor("kenro"), sink)];
  undo.push(() => servers[0]?.stop());
  const problem = postfixProblem();
  if (values.peers === "postfix" && problem) console.error(`${problem}; only Kenro is measured.`);
  if (values.peers === "postfix" && !problem) {
    const peer = await startPostfix(directoryFor("postfix"), { relay: sink.port });
    undo.push(() => peer.stop());
    servers.push(peer);
  }
  // nobody measures a server that was started a second ago
  for (const server of servers)
    await measure(generator, server, sink, Math.min(1500, Number(values.messages)));
  console.log("| server | accepted/s | relayed/s | CPU ms/message | of which |");
  console.log("|---|--:|--:|--:|---|");
  for (let round = 0; round < Number(values.rounds); round++)
    for (const server of round % 2 === 0 ? servers : servers.toReversed())
      tell(server, await measure(generator, server, sink, Number(values.messages)));
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
