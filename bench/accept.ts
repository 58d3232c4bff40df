// What durability costs the queue: the same messages into it with syncs and without, turn by turn, each time in a process of its own. Nothing
// is delivered, and SMTP is left out: this is the queue alone, as smtpd speaks to it.
// usage: node bench/accept.ts [--messages 20000] [--connections 1,20,100] [--size 4096] [--rounds 3] [--in DIR]

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { Logger } from "#log/logger.ts";
import { openQueue } from "#roles/queue/queue.ts";
import { roles } from "#roles/roles.ts";
import { quickDisk } from "#sys/quickdisk.ts";
import { Caller } from "#talk/caller.ts";
import { answerInjections, Injector } from "#talk/inject.ts";
import { hasty } from "./fill.ts";

const { values } = parseArgs({
  options: {
    messages: { type: "string", default: "20000" },
    connections: { type: "string", default: "1,20,100" },
    size: { type: "string", default: "4096" },
    rounds: { type: "string", default: "3" },
    in: { type: "string", default: tmpdir() },
    /** We are the process that is measured: "synced" or "unsynced", and so many at a time. */
    run: { type: "string" },
    together: { type: "string", default: "1" },
  },
});

interface Measured {
  readonly rate: number;
  readonly cpu: number;
  readonly syncs: number;
}

async function inject(directory: string, synced: boolean, together: number): Promise<Measured> {
  const nowhere = () => new Caller({ path: path.join(directory, "nobody.sock"), clock: systemClock });
  const queue = await openQueue({
    clock: systemClock,
    disk: synced ? quickDisk : { ...quickDisk, create: hasty.create },
    directory: path.join(directory, "spool"),
    log: new Logger({ role: "queue", clock: systemClock, level: "info", sink: () => {} }),
    slice: () => ({
      log: "info",
      reporter: "",
      hostname: "mx.example.test",
      lifetime: limits.queue.lifetime,
      localConcurrency: 0,
      remoteConcurrency: 0,
      destinationConcurrency: 10,
      destinationStart: 2,
      freeSpace: 0,
      dropDomain: "here.test",
      dropDefaultDomain: "here.test",
      dropPlusDomain: "here.test",
      percentHack: [],
      dropSize: 1_000_000,
    }),
    local: nowhere(),
    remote: nowhere(),
    auth: nowhere(),
  });
  const at = path.join(directory, "inject.sock");
  await answerInjections(at, queue.intake);
  const injector = new Injector(at, systemClock);
  const body = Buffer.alloc(Number(values.size), "a line of a message\r\n");
  const total = Number(values.messages);
  let begun = 0;
  const one = async () => {
    for (let n = begun++; n < total; n = begun++) {
      const recipients = [{ address: `user${n}@far.test` }];
      const envelope = { sender: "ann@here.test", recipients, body: "7bit", submitted: false } as const;
      const injection = await injector.begin("bench", envelope);
      if (!injection.write(body)) await injection.drained();
      const result = await injection.commit();
      if (result.kind !== "queued") throw new Error(JSON.stringify(result));
    }
  };
  const [start, cpu] = [performance.now(), process.cpuUsage()];
  await Promise.all(Array.from({ length: together }, one));
  const { user, system } = process.cpuUsage(cpu);
  const seconds = (performance.now() - start) / 1000;
  return { rate: total / seconds, cpu: (user + system) / 1000 / total, syncs: queue.syncs / total };
}

function measure(run: "synced" | "unsynced", together: string): Measured {
  const self = [`--max-semi-space-size=${roles.queue.young}`, import.meta.filename, ...process.argv.slice(2)];
  const child = spawnSync(process.execPath, [...self, "--run", run, "--together", together], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  return JSON.parse(child.stdout) as Measured;
}

const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;

if (values.run !== undefined) {
  const directory = fs.mkdtempSync(path.join(values.in, "kenro-accept-"));
  try {
    console.log(JSON.stringify(await inject(directory, values.run === "synced", Number(values.together))));
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
  process.exit(0);
}
console.log("| at a time | synced/s | unsynced/s | ratio | syncs a message | CPU ms synced | unsynced |");
console.log("|--:|--:|--:|--:|--:|--:|--:|");
for (const together of values.connections.split(",")) {
  const rounds = Array.from({ length: Number(values.rounds) }, (_, round) => {
    const order = round % 2 === 0 ? (["synced", "unsynced"] as const) : (["unsynced", "synced"] as const);
    const measured = new Map(order.map((each) => [each, measure(each, together)]));
    return { synced: measured.get("synced"), unsynced: measured.get("unsynced") };
  });
  const of = (which: "synced" | "unsynced", what: keyof Measured): number =>
    median(rounds.map((each) => each[which]?.[what] ?? Number.NaN));
  const ratio = of("synced", "rate") / of("unsynced", "rate");
  const rates = `${of("synced", "rate").toFixed(0)} | ${of("unsynced", "rate").toFixed(0)} | ${(ratio * 100).toFixed(0)} %`;
  const rest = `${of("synced", "syncs").toFixed(3)} | ${of("synced", "cpu").toFixed(3)} | ${of("unsynced", "cpu").toFixed(3)}`;
  console.log(`| ${together} | ${rates} | ${rest} |`);
}
