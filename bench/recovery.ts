// How long the queue takes from its start until it is ready, and how much memory at most, by the number of messages that wait.
// usage: node bench/recovery.ts [COUNT …] [--body BYTES] [--domains N] [--in DIR]     (default: 10000 100000 1000000)

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
import { realDisk } from "#sys/disk.ts";
import { Caller } from "#talk/caller.ts";
import { fill } from "./fill.ts";

const MiB = 1024 * 1024;

/** As the supervisor starts it (roles/supervisor/spawn.ts). */
const FLAGS = ["--disable-warning=ExperimentalWarning", `--max-semi-space-size=${roles.queue.young}`];

/** Nothing becomes due while it is measured. */
const DUE = 24 * 60 * 60 * 1000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    body: { type: "string", default: "1024" },
    domains: { type: "string", default: "1000" },
    in: { type: "string", default: tmpdir() },
    /** We are the process that is measured, on this spool. */
    open: { type: "string" },
  },
});

/** The queue on a spool, in a process of its own, as the role opens it. */
async function open(directory: string): Promise<void> {
  const begun = performance.now();
  const nowhere = () => new Caller({ path: path.join(directory, "nobody.sock"), clock: systemClock });
  const queue = await openQueue({
    clock: systemClock,
    disk: realDisk,
    directory,
    log: new Logger({ role: "queue", clock: systemClock, level: "info", sink: () => {} }),
    slice: () => ({
      log: "info",
      reporter: "",
      hostname: "mx.example.test",
      lifetime: limits.queue.lifetime,
      localConcurrency: 10,
      remoteConcurrency: 20,
      destinationConcurrency: 10,
      destinationStart: 10,
      freeSpace: 0,
      dropDomain: "here.test",
      dropDefaultDomain: "here.test",
      dropPlusDomain: "here.test",
      dropSize: 1_000_000,
      percentHack: [],
    }),
    local: nowhere(),
    remote: nowhere(),
    auth: nowhere(),
  });
  const ms = performance.now() - begun;
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
  const cpu = (userCPUTime + systemCPUTime) / 1e6;
  console.log(JSON.stringify({ ms, cpu, peak: maxRSS * 1024, messages: queue.entries.size }));
  process.exit(0);
}

/** Fills a spool of its own and has it opened by a process of its own. */
async function measure(count: number): Promise<void> {
  const directory = fs.mkdtempSync(path.join(values.in, "kenro-recovery-"));
  try {
    await fill(directory, {
      count,
      body: Number(values.body),
      recipient: (n) => `user${n}@d${n % Number(values.domains)}.example`,
      due: Date.now() + DUE,
    });
    const self = [...FLAGS, import.meta.filename, "--open", directory];
    const run = spawnSync(process.execPath, self, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
    const { ms, cpu, peak, messages } = JSON.parse(run.stdout);
    const figures = `${(ms / 1000).toFixed(2)} s (${cpu.toFixed(1)} s of CPU), ${(peak / MiB).toFixed(0)} MiB at most`;
    console.log(`${count} messages: ${figures}${messages === count ? "" : `, but ${messages} were found`}`);
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

if (values.open !== undefined) await open(values.open);
const counts = positionals.length > 0 ? positionals.map(Number) : [10_000, 100_000, 1_000_000];
for (const count of counts) await measure(count);
