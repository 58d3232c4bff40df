// The queue is stopped at every operation of its disk while messages go on from their recipients to others (docs/queue.md F1–F4, Q14), small ones and ones with
// a body file; then it starts again and ends its work. Of every acknowledged message exactly one goes on from each of these recipients, whole.

import assert from "node:assert/strict";
import test from "node:test";
import type { Queue } from "#roles/queue/queue.ts";
import { openBody } from "#store/spool/source.ts";
import type { Delivered, Delivery } from "#talk/deliver.ts";
import type { Outcome } from "#wire/envelope.ts";
import { BrokenDisk, type Fault } from "../support/brokendisk.ts";
import { FakeClock } from "../support/clock.ts";
import { openCrashQueue } from "../support/crashqueue.ts";
import { SEGMENT } from "../support/spool.ts";

const SEED = Number(process.env["CRASH_SEED"] ?? 20260303);

const prefixOf = (address: string) => `Delivered-To: ${address}\r\n`;

/** What becomes of a recipient is in its name: `alias` goes on to two others, `list` to three with an owner, `chain` to an alias; `never` fails, `later` is
 * deferred once; all others have mailboxes. */
function outcomeOf(address: string, again: boolean): Outcome | undefined {
  const on = (recipients: readonly string[], sender?: string): Outcome => {
    const letter = { recipients, prefix: prefixOf(address) };
    return { kind: "forwarded", by: "on its way", letter: sender ? { ...letter, sender } : letter };
  };
  const [kind = ""] = /^[a-z]+/.exec(address) ?? [];
  switch (kind) {
    case "alias":
      return on([`one-${address}`, `two-${address}`]);
    case "list":
      return on([`m-${address}`, `n-${address}`, `never-${address}`], `owner-${address}`);
    case "chain":
      return on([`alias-${address}`]);
    case "never":
      return { kind: "failed", why: { code: "5.1.1", text: "no" } };
    case "later":
      return again ? undefined : { kind: "deferred", why: { code: "4.2.0", text: "busy" } };
    default:
      return undefined;
  }
}

interface Letter {
  readonly to: readonly string[];
  readonly size: number;
}

const letters: readonly Letter[] = [
  { to: ["alias@x.test"], size: 500 },
  { to: ["ann@x.test", "list@x.test", "later@x.test"], size: 9000 },
  { to: ["alias@x.test", "chain@y.test"], size: 150_000 },
  { to: ["list@x.test", "never@x.test"], size: 140_000 },
];

/** Where a message to these ends, with the lines that the way has put in front of it; and who hears of how many failures. */
function wantedOf(to: readonly string[], front = ""): Map<string, string> {
  const ends = new Map<string, string>();
  for (const address of to) {
    const outcome = outcomeOf(address, true);
    if (outcome?.kind === "failed") continue;
    if (outcome?.kind !== "forwarded") ends.set(address, front);
    else
      for (const [end, way] of wantedOf(outcome.letter.recipients, prefixOf(address) + front))
        ends.set(end, way);
  }
  return ends;
}

/** Everything outside the queue; it survives the crash. */
class Outside {
  /** Of each message that was sent, by where it came: the ids under which it came there, as a Maildir would keep them. */
  readonly came = new Map<string, Map<string, Set<string>>>();
  readonly bounces = new Map<string, Set<string>>();
  readonly acknowledged = new Map<string, Letter>();
  readonly mistakes: string[] = [];

  async deliver(disk: BrokenDisk, delivery: Delivery): Promise<Delivered> {
    const source = await openBody(disk, "spool", delivery.place);
    const parts: Buffer[] = [];
    for await (const chunk of source.chunks()) parts.push(chunk);
    await source.close();
    const body = Buffer.concat(parts).toString();
    return {
      outcomes: delivery.recipients.map(({ index, address }) => {
        const outcome = outcomeOf(address, delivery.again) ?? ({ kind: "delivered", by: "test" } as const);
        if (outcome.kind === "delivered") this.#take(delivery, address, body);
        return { index, outcome };
      }),
    };
  }

  #take({ id, sender }: Delivery, address: string, body: string): void {
    const about = /^Message: (\S+)/m.exec(body)?.[1] ?? "";
    if (sender === "") {
      const key = `${about} ${address}`;
      this.bounces.set(key, (this.bounces.get(key) ?? new Set()).add(id));
      return;
    }
    const ends = this.came.get(about) ?? new Map<string, Set<string>>();
    this.came.set(about, ends);
    ends.set(address, (ends.get(address) ?? new Set()).add(id));
    const letter = this.acknowledged.get(about);
    if (letter && body !== (wantedOf(letter.to).get(address) ?? "?") + textOf(about, letter))
      this.mistakes.push(`${about} came to ${address} changed: ${body.slice(0, 200)}`);
  }

  check(): void {
    assert.deepEqual(this.mistakes, []);
    for (const [id, { to }] of this.acknowledged) {
      const wanted = [...wantedOf(to).keys()].map((end) => [end, 1]).sort();
      const ends = [...(this.came.get(id) ?? [])].map(([end, ids]) => [end, ids.size]).sort();
      assert.deepEqual(ends, wanted, `${id} to ${to.join()}`);
      for (const address of to) {
        if (address.startsWith("list")) this.#bounced(`${id} owner-${address}`);
        if (address.startsWith("never")) this.#bounced(`${id} ann@x.test`);
      }
    }
  }

  #bounced(key: string): void {
    assert.equal(this.bounces.get(key)?.size, 1, `bounces of ${key}`);
  }
}

const textOf = (id: string, { size }: Letter) => `Message: ${id}\r\n\r\n`.padEnd(size, "x");

const start = (outside: Outside, disk: BrokenDisk, clock: FakeClock): Promise<Queue> =>
  openCrashQueue({
    disk,
    clock,
    deliver: (delivery) => outside.deliver(disk, delivery),
    segmentSize: 8 * SEGMENT,
  });

async function send(queue: Queue, outside: Outside, [id, letter]: readonly [string, Letter]) {
  const recipients = letter.to.map((address) => ({ address }));
  const envelope = { sender: "ann@x.test", recipients, body: "7bit", submitted: false } as const;
  const draft = queue.intake.begin({ id, session: "s", envelope });
  if ("kind" in draft) return;
  await draft.write(Buffer.from(textOf(id, letter)));
  const { kind } = await draft.commit("");
  if (kind === "queued") outside.acknowledged.set(id, letter);
}

async function script(queue: Queue, outside: Outside, clock: FakeClock): Promise<void> {
  const prefix = queue.intake.prefix();
  for (const [n, letter] of letters.entries()) {
    await send(queue, outside, [`${prefix}-${n + 1}`, letter]);
    await clock.advance(60);
  }
  await clock.advance(1_000_000);
}

async function finish(queue: Queue, clock: FakeClock): Promise<void> {
  for (let wait = 0; wait < 20 && queue.entries.size > 0; wait++) await clock.advance(1_000_000);
  assert.equal(queue.entries.size, 0, "something never ended");
  await queue.stop(0);
}

async function runUntil(at: number | undefined, chance: number): Promise<number> {
  const outside = new Outside();
  const disk = new BrokenDisk(SEED, at === undefined ? undefined : { at, kind: "stop" });
  const clock = new FakeClock();
  const first = start(outside, disk, clock).then((running) => script(running, outside, clock));
  await Promise.race([first, disk.whenStopped]);
  disk.stop();
  const left = disk.crash(SEED + (at ?? 0), chance);
  const later = new FakeClock(clock.now() + 5000);
  await finish(await start(outside, left, later), later);
  assert.deepEqual(await left.list("spool/body"), [], "bodies stay");
  outside.check();
  return disk.operations;
}

test("whatever operation the queue dies at, a message goes on once from each recipient that passes it on", async () => {
  const operations = await runUntil(undefined, 0);
  assert.ok(operations >= 50, `only ${operations} operations`);
  for (let at = 1; at <= operations; at++) {
    for (const chance of [0, 0.5, 1]) {
      try {
        await runUntil(at, chance);
      } catch (thrown) {
        throw new Error(`stop at operation ${at} of ${operations}, chance ${chance}, CRASH_SEED=${SEED}`, {
          cause: thrown,
        });
      }
    }
  }
});

test("whatever operation the disk refuses, a message goes on once", async () => {
  const kinds: readonly Fault["kind"][] = ["EIO", "ENOSPC"];
  for (const kind of kinds) {
    for (let at = 1; ; at++) {
      const outside = new Outside();
      const disk = new BrokenDisk(SEED);
      const clock = new FakeClock();
      const queue = await start(outside, disk, clock);
      const before = disk.operations;
      disk.fault = { at: before + at, kind };
      await script(queue, outside, clock);
      try {
        await finish(queue, clock);
        outside.check();
      } catch (thrown) {
        throw new Error(`${kind} at operation ${at}`, { cause: thrown });
      }
      if (before + at > disk.operations) break;
    }
  }
});
