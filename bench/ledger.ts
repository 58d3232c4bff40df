// How fast the ledger answers: a process of its own on a Unix socket, asked as smtpd asks, so many questions a second, with tables that
// are full. Prints the times of answers and the CPU that the ledger took.
// usage: node bench/ledger.ts [--rate 10000] [--seconds 10]

import { fork } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { Logger } from "#log/logger.ts";
import type { SessionRecord } from "#policy/replay/record.ts";
import { controlVerbs, openLedger, smtpdVerbs } from "#roles/ledger/main.ts";
import { answerVerbs } from "#talk/answerer.ts";
import { Caller } from "#talk/caller.ts";
import * as recall from "#talk/recall.ts";

const SOCKET = "smtpd.sock";
/** Clients, senders and recipients that take part. */
const PEOPLE = 50_000;

const address = (n: number) => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`;
const any = () => Math.floor(Math.random() * PEOPLE);

const sessionOf = (n: number): SessionRecord => ({
  time: new Date().toISOString(),
  id: `s${n}`,
  at: Date.now(),
  ip: address(n),
  name: `mail${n}.example.org`,
  hello: `mail${n}.example.org`,
  confirmed: true,
  sender: `sender${n}@example${n}.org`,
  recipients: [{ address: "ann@a.test", reply: "250 2.1.5 Recipient ok" }],
  domain: `example${n}.org`,
  verdict: "accepted",
  messages: 1,
  accepted: 1,
  unknown: 0,
  traps: 0,
  refusals: 0,
  refused: [],
  stages: [
    {
      stage: "recipient",
      rules: Array.from({ length: 20 }, (_, at) => ({
        rule: `rule-number-${at}`,
        mode: "enforce",
        verdict: "accept",
        evidence: at % 3 === 0 ? `what it saw of mail${n}.example.org` : "",
        ms: 1,
      })),
    },
  ],
  ms: 300,
});

/** What one session asks and tells, in shares of a hundred. */
const questions: readonly (readonly [share: number, ask: (caller: Caller, n: number) => Promise<unknown>])[] =
  [
    [25, (caller, n) => caller.ask(recall.meet, { address: address(n) })],
    [
      25,
      (caller, n) =>
        caller.ask(recall.regard, {
          hello: `mail${n}.example.org`,
          confirmed: true,
          domain: `example${n}.org`,
        }),
    ],
    [15, (caller, n) => caller.ask(recall.correspondent, { address: `sender${n}@example${n}.org` })],
    [
      15,
      (caller, n) =>
        caller.ask(recall.greylist, {
          who: `${address(n)}/24`,
          sender: `sender${n}@example${n}.org`,
          recipient: `user${n % 100}@a.test`,
        }),
    ],
    [15, (caller, n) => caller.ask(recall.note, sessionOf(n))],
    [5, (caller, n) => caller.ask(recall.wrote, { recipients: [`friend${n}@example${n}.org`] })],
  ];
const lots = questions.flatMap(([share, ask]) => Array.from({ length: share }, () => ask));

/** The ledger, in the working directory. */
async function serve(): Promise<void> {
  const log = new Logger({ role: "ledger", clock: systemClock, level: "info", sink: () => {} });
  const slice = {
    log: "info",
    days: 30,
    size: 64 << 20,
    greylistDelay: 300_000,
    greylistWindow: 172_800_000,
    ban: 3_600_000,
  } as const;
  const { ledger, memory, sessions } = await openLedger(slice, { clock: systemClock, log });
  for (let n = 0; n < PEOPLE; n++) ledger.note(sessionOf(n));
  await memory.flush();
  const verbs = [
    ...smtpdVerbs(ledger, sessions),
    ...controlVerbs({ ledger, memory, clock: systemClock, log }),
  ];
  await answerVerbs(SOCKET, verbs, { trouble: (text) => process.stderr.write(`${text}\n`) });
  let cpu = process.cpuUsage();
  process.on("message", (word) => {
    if (word === "begin") cpu = process.cpuUsage();
    else {
      const { user, system } = process.cpuUsage(cpu);
      process.send?.({ cpu: (user + system) / 1000, rss: process.memoryUsage.rss() });
    }
  });
  process.send?.("ready");
}

/** Times of all answers, ms, sorted. */
async function askAll(caller: Caller, rate: number, seconds: number): Promise<Float64Array> {
  const times = new Float64Array(rate * seconds);
  const began = performance.now();
  let asked = 0;
  const under: Promise<void>[] = [];
  while (asked < times.length) {
    const due = Math.min(times.length, Math.floor(((performance.now() - began) / 1000) * rate));
    for (; asked < due; asked++) {
      const [at, start] = [asked, performance.now()];
      const question = lots[Math.floor(Math.random() * lots.length)];
      if (!question) continue;
      under.push(
        question(caller, any()).then(() => {
          times[at] = performance.now() - start;
        }),
      );
    }
    // each question leaves when it is due: what is measured is the answer, not the queue before it
    await new Promise((resolve) => setImmediate(resolve));
    if (under.length > 100_000) await Promise.all(under.splice(0));
  }
  await Promise.all(under);
  return times.sort();
}

async function measure(rate: number, seconds: number): Promise<void> {
  const directory = fs.mkdtempSync(path.join(tmpdir(), "kenro-ledger-"));
  const child = fork(import.meta.filename, ["serve"], {
    cwd: directory,
    execArgv: ["--disable-warning=ExperimentalWarning"],
  });
  const heard = () => new Promise<unknown>((resolve) => child.once("message", resolve));
  try {
    await heard();
    const caller = new Caller({ path: path.join(directory, SOCKET), clock: systemClock });
    await askAll(caller, Math.min(rate, 2000), 2);
    child.send("begin");
    const began = performance.now();
    const times = await askAll(caller, rate, seconds);
    const wall = performance.now() - began;
    const answer = heard();
    child.send("end");
    const { cpu, rss } = (await answer) as { cpu: number; rss: number };
    caller.close();
    const at = (share: number) => (times[Math.floor((times.length - 1) * share)] ?? 0).toFixed(2);
    const quick = times.filter((time) => time < 1).length / times.length;
    console.log(
      `${times.length} questions in ${(wall / 1000).toFixed(1)} s: ${Math.round((times.length / wall) * 1000)}/s`,
    );
    console.log(
      `answered after (ms): median ${at(0.5)}, 99 % ${at(0.99)}, most ${at(1)}; below 1 ms: ${(100 * quick).toFixed(1)} %`,
    );
    console.log(
      `CPU of the ledger: ${((100 * cpu) / wall).toFixed(0)} % of a core, ${((1000 * cpu) / times.length).toFixed(0)} µs for each; ${(rss / 2 ** 20).toFixed(0)} MB`,
    );
    const files = fs.readdirSync(path.join(directory, "ledger"));
    const bytes = files.reduce(
      (sum, name) => sum + fs.statSync(path.join(directory, "ledger", name)).size,
      0,
    );
    console.log(
      `memory on disk: ${(bytes / 2 ** 20).toFixed(1)} MB; tables hold up to ${limits.ledger.subjects} of each subject`,
    );
  } finally {
    child.kill("SIGKILL");
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

if (process.argv[2] === "serve") await serve();
else {
  const { values } = parseArgs({
    options: {
      rate: { type: "string", default: "10000" },
      seconds: { type: "string", default: "10" },
    },
  });
  await measure(Number(values.rate), Number(values.seconds));
}
