// How fast mail comes in and into Maildirs, beside other servers on the same machine: the same load for each, turn by turn, in one run.
// usage: node bench/speed.ts [--peers postfix] [--connections 1,10,40,100] [--mode accept|deliver] [--messages N] …   see bench/README.md

import fs from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { startKenro } from "./kenro.ts";
import { build, type Load, pass } from "./load.ts";
import { postfixProblem, startPostfix } from "./postfix.ts";
import { countSyncs, cpuByName, cpuOfMachine } from "./processes.ts";
import { has, Missing, type Server } from "./server.ts";
import { type Cell, format } from "./table.ts";

interface Peer {
  /** Why it cannot be measured here. */
  readonly problem: () => string | undefined;
  readonly start: (directory: string) => Promise<Server>;
}

/** By what --peers says: a name, or the directory of another checkout of Kenro. */
function peerOf(name: string): Peer {
  if (name === "postfix") return { problem: postfixProblem, start: (directory) => startPostfix(directory) };
  if (fs.existsSync(path.join(name, "bin/kenro")))
    return { problem: () => undefined, start: (directory) => startKenro(directory, name) };
  throw new Missing(`There is no peer "${name}": give "postfix", or the directory of a checkout of Kenro`);
}

interface Wanted {
  readonly peers: readonly string[];
  readonly connections: readonly number[];
  readonly mode: "accept" | "deliver" | undefined;
  readonly messages: number;
  readonly rounds: number;
  readonly size: number;
  readonly perConnection: number;
  readonly roles: boolean;
}

/** Messages under strace: it makes every sync slow. */
const TRACED = 200;

/** Node translates what runs often; nobody measures a server that was started a second ago. */
const WARM_UP = { messages: 2000, connections: 10 };

function wantedFrom(words: readonly string[]): Wanted {
  const { values } = parseArgs({
    args: [...words],
    options: {
      peers: { type: "string", default: "postfix" },
      connections: { type: "string", default: "1,10,40,100" },
      mode: { type: "string" },
      messages: { type: "string", default: "4000" },
      rounds: { type: "string", default: "3" },
      size: { type: "string", default: "4096" },
      "per-connection": { type: "string", default: "1" },
      roles: { type: "boolean", default: false },
    },
  });
  const { mode } = values;
  if (mode !== undefined && mode !== "accept" && mode !== "deliver")
    throw new Missing('--mode is "accept" or "deliver"; without it both are shown');
  const named = values.peers.split(",").filter((name) => name !== "" && name !== "none");
  return {
    peers: named,
    connections: values.connections.split(",").map((each) => count("connections", each)),
    mode,
    messages: count("messages", values.messages),
    rounds: count("rounds", values.rounds),
    size: count("size", values.size),
    perConnection: count("per-connection", values["per-connection"]),
    roles: values.roles,
  };
}

function count(option: string, given: string): number {
  const number = Number(given);
  if (!Number.isInteger(number) || number < 1) throw new Missing(`--${option}: "${given}" is not a count`);
  return number;
}

/** What must be undone, whatever ends us; the last first. */
const undo: (() => Promise<void> | void)[] = [];

async function undoAll(): Promise<void> {
  for (let step = undo.pop(); step; step = undo.pop()) await step();
}

function directoryFor(name: string): string {
  const directory = fs.mkdtempSync(path.join(tmpdir(), `kenro-speed-${name}-`));
  undo.push(() => fs.rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function start(wanted: Wanted): Promise<readonly Server[]> {
  const servers: Server[] = [];
  const add = async (name: string, begin: (directory: string) => Promise<Server>) => {
    const server = await begin(directoryFor(name));
    undo.push(() => server.stop());
    servers.push(server);
  };
  const named = wanted.peers.map((name) => ({ name: path.basename(name), peer: peerOf(name) }));
  await add("kenro", startKenro);
  for (const { name, peer } of named) {
    const problem = peer.problem();
    if (problem) console.error(`${problem}; only the others are measured.`);
    else await add(name, peer.start);
  }
  return servers;
}

/** The load for so many connections; a single one is slow enough with a quarter of the messages. */
function loadFor(wanted: Wanted, connections: number): Load {
  const { messages, size, perConnection } = wanted;
  return {
    messages: connections === 1 ? Math.ceil(messages / 4) : messages,
    connections,
    size,
    perConnection,
  };
}

/** One server, one load. */
async function measure(generator: string, server: Server, load: Load): Promise<Cell> {
  const started = performance.now();
  const ours = process.cpuUsage();
  const machine = cpuOfMachine();
  const before = cpuByName(server.pid);
  const passed = await pass(generator, server, load);
  const after = cpuByName(server.pid);
  const { user, system } = process.cpuUsage(ours);
  if (passed.failed > 0 || passed.deliveredSeconds === undefined)
    console.error(`${server.name}: ${passed.failed} messages failed, or did not arrive: ${passed.error}`);
  const spent = new Map([...after].map(([name, ms]) => [name, ms - (before.get(name) ?? 0)]));
  const cpu = [...spent.values()].reduce((sum, ms) => sum + ms, 0);
  const known = cpu + passed.cpu + (user + system) / 1000;
  const time = (performance.now() - started) * availableParallelism();
  return {
    server: server.name,
    connections: load.connections,
    accepted: passed.accepted / passed.seconds,
    delivered: passed.deliveredSeconds === undefined ? Number.NaN : passed.accepted / passed.deliveredSeconds,
    cpu: cpu / load.messages,
    cpuByName: new Map([...spent].map(([name, ms]) => [name, ms / load.messages])),
    median: passed.median,
    p99: passed.p99,
    noise: Math.max(0, (cpuOfMachine() - machine - known) / time),
  };
}

async function syncsOf(generator: string, server: Server, load: Load): Promise<number> {
  const messages = Math.min(TRACED, load.messages);
  const report = path.join(path.dirname(generator), "syncs");
  const syncs = await countSyncs(server.pid, report, async () => {
    await pass(generator, server, { ...load, messages });
  });
  return syncs / messages;
}

async function run(wanted: Wanted): Promise<void> {
  const generator = build(directoryFor("load"));
  const servers = await start(wanted);
  for (const server of servers)
    await pass(generator, server, { ...loadFor(wanted, WARM_UP.connections), ...WARM_UP });
  const cells: Cell[] = [];
  for (let round = 1; round <= wanted.rounds; round++) {
    // nobody is always first: the turn before warms or burdens the machine for the next
    const turns = round % 2 === 1 ? servers : servers.toReversed();
    for (const connections of wanted.connections) {
      for (const server of turns) {
        const cell = await measure(generator, server, loadFor(wanted, connections));
        cells.push(cell);
        tell(`round ${round} of ${wanted.rounds}`, cell);
      }
    }
  }
  const syncs = await allSyncs(generator, servers, wanted);
  console.log(format(cells, { mode: wanted.mode, syncs, roles: wanted.roles }));
}

function tell(when: string, { server, connections, accepted, delivered, cpu, noise }: Cell): void {
  const rates = `${accepted.toFixed(0)}/s accepted, ${delivered.toFixed(0)}/s delivered`;
  const rest = `${cpu.toFixed(2)} ms CPU, noise ${(noise * 100).toFixed(0)}%`;
  console.error(`${when}: ${server}, ${connections} connections: ${rates}, ${rest}`);
}

/** By server and connections, as the table looks them up. */
async function allSyncs(
  generator: string,
  servers: readonly Server[],
  wanted: Wanted,
): Promise<ReadonlyMap<string, number>> {
  const syncs = new Map<string, number>();
  if (!has("strace")) {
    console.error("strace is not installed: syncs are not counted.");
    return syncs;
  }
  for (const connections of wanted.connections)
    for (const server of servers)
      syncs.set(
        `${server.name} ${connections}`,
        await syncsOf(generator, server, loadFor(wanted, connections)),
      );
  return syncs;
}

async function main(): Promise<number> {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      void undoAll().finally(() => process.exit(130));
    });
  }
  try {
    await run(wantedFrom(process.argv.slice(2)));
    return 0;
  } catch (thrown) {
    if (!(thrown instanceof Missing)) throw thrown;
    console.error(thrown.message);
    return 2;
  } finally {
    await undoAll();
  }
}

process.exitCode = await main();
