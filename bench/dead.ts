// Whether a long queue for a destination that does not answer slows down mail for one that does: the same live traffic through a server
// with an empty queue and one with many messages for the dead one, turn by turn in one run.
// usage: node bench/dead.ts [--dead 100000] [--messages 3000] [--connections 20] [--rounds 3]

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import net, { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { fill } from "./fill.ts";
import { initKenro, launchKenro } from "./kenro.ts";
import { build, send } from "./load.ts";
import { cpuByName, processNamed, residentOf } from "./processes.ts";
import { Missing, type Server } from "./server.ts";
import { type Counter, startCounter } from "./sink.ts";

const { values } = parseArgs({
  options: {
    dead: { type: "string", default: "100000" },
    messages: { type: "string", default: "3000" },
    connections: { type: "string", default: "20" },
    rounds: { type: "string", default: "3" },
  },
});

const PATIENCE = 300_000;

/** What must be undone, the last first. */
const undo: (() => Promise<void> | void)[] = [];

function directoryFor(name: string): string {
  const directory = fs.mkdtempSync(path.join(tmpdir(), `kenro-dead-${name}-`));
  undo.push(() => fs.rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A server that takes connections and says nothing. */
async function startSilent(): Promise<number> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  undo.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** Kenro with so many messages for the silent server, all of them due. */
async function startWith(
  dead: number,
  ports: { readonly live: number; readonly silent: number },
): Promise<Server> {
  const directory = directoryFor(String(dead));
  const routes = `
[[route]]
recipients = ["dead.test"]
host = "127.0.0.1:${ports.silent}"
tls = "none"
[[route]]
host = "127.0.0.1:${ports.live}"
tls = "none"
`;
  const base = await initKenro(directory, undefined, (toml) => toml + routes);
  // the first start makes the spool, and says whose it is
  await (await launchKenro(directory, base)).stop();
  const spool = path.join(directory, "spool");
  const recipient = (n: number) => `user${n}@dead.test`;
  if (dead > 0) await fill(spool, { count: dead, body: 1024, recipient, due: Date.now() });
  spawnSync("chown", ["-R", `--reference=${spool}`, spool]);
  const server = await launchKenro(directory, base);
  undo.push(() => server.stop());
  fs.writeFileSync(path.join(directory, "rules/smtp.rules"), '127.0.0.1:allow,RELAYCLIENT=""\n');
  return { ...server, name: dead > 0 ? `${dead} dead` : "empty", domain: "live.test" };
}

async function measure(generator: string, server: Server, sink: Counter): Promise<number> {
  const messages = Number(values.messages);
  const taken = sink.taken;
  const cpu = cpuByName(server.pid);
  const begun = performance.now();
  const load = { messages, connections: Number(values.connections), size: 4096, perConnection: 1 };
  const sent = await send(generator, server, load);
  if (sent.failed > 0) throw new Missing(`${server.name}: ${sent.failed} messages failed: ${sent.error}`);
  if (!(await sink.until(taken + messages, PATIENCE))) throw new Missing(`${server.name}: not all came out`);
  const rate = (messages * 1000) / (performance.now() - begun);
  const queue = ((cpuByName(server.pid).get("queue") ?? 0) - (cpu.get("queue") ?? 0)) / messages;
  const memory = residentOf(processNamed(server.pid, "queue") ?? 0) / 1024;
  console.log(`| ${server.name} | ${rate.toFixed(0)} | ${queue.toFixed(2)} | ${memory.toFixed(0)} |`);
  return rate;
}

const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;

async function run(): Promise<void> {
  const generator = build(directoryFor("load"));
  const sink = await startCounter();
  undo.push(() => sink.stop());
  const ports = { live: sink.port, silent: await startSilent() };
  const servers = [await startWith(0, ports), await startWith(Number(values.dead), ports)];
  console.log("| queue | live messages/s | CPU of queue, ms/message | memory of queue, MiB |");
  console.log("|---|--:|--:|--:|");
  // the first of each is to warm up
  for (const server of servers) await measure(generator, server, sink);
  const rates = new Map<Server, number[]>(servers.map((server) => [server, []]));
  for (let round = 0; round < Number(values.rounds); round++)
    for (const server of round % 2 === 0 ? servers : servers.toReversed())
      rates.get(server)?.push(await measure(generator, server, sink));
  const [empty = Number.NaN, dead = Number.NaN] = servers.map((server) => median(rates.get(server) ?? []));
  console.log(`\nwith the dead ones ${((dead / empty) * 100).toFixed(0)} % of the rate without (medians)`);
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
