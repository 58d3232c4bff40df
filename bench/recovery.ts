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
import { openSpool, type Spool } from "#store/spool/spool.ts";
import { type Disk, realDisk } from "#sys/disk.ts";
import { Caller } from "#talk/caller.ts";

const MiB = 1024 * 1024;

/** Messages in one write while the spool is filled. */
const BATCH = 1000;

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

/** Filling a spool needs no safety; the measured process syncs as ever. */
const hasty: Disk = {
  ...realDisk,
  create: async (...words) => {
    const file = await realDisk.create(...words);
    return Object.assign(Object.create(file), {
      write: file.write.bind(file),
      close: file.close.bind(file),
      sync: async () => {},
      syncData: async () => {},
    });
  },
};

/** As many messages that were tried once and wait for the next attempt, as the journal writes them. */
async function fill(directory: string, count: number): Promise<void> {
  const ignore = () => {};
  const events = {
    damage: ignore,
    syncFailed: ignore,
    trouble: ignore,
    forgotten: ignore,
    crowded: ignore,
  };
  const spool = await openSpool({ disk: hasty, directory, clock: systemClock, events });
  const prefix = spool.prefix();
  for (let from = 0; from < count; from += BATCH) {
    const numbers = Array.from({ length: Math.min(BATCH, count - from) }, (_, n) => from + n);
    await Promise.all(numbers.map((number) => addOne(spool, prefix, number)));
  }
  await spool.journal.close();
}

async function addOne({ journal }: Spool, prefix: string, number: number): Promise<void> {
  const body = Buffer.alloc(Number(values.body), "a line of a message that waits\r\n");
  const id = `${prefix}-${number.toString(36)}`;
  const now = Date.now();
  await journal.add(
    {
      id,
      arrived: now,
      envelope: {
        sender: `sender${number % 500}@example.test`,
        recipients: [{ address: `user${number}@d${number % Number(values.domains)}.example` }],
        body: "8bitmime",
        submitted: true,
      },
      size: body.length,
      file: false,
    },
    [body],
  );
  const state = "waiting";
  const text = "Connected to 192.0.2.1 but the greeting did not come in time.";
  const progress = { index: 0, state, attempts: 1, next: now + DUE + number, code: "4.4.2", text } as const;
  journal.progress({ id, warned: false, recipients: [progress] }, "soon");
}

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
      dropSize: 1_000_000,
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
    await fill(directory, count);
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
