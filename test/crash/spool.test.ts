// The journal is stopped, or its disk fails, at every single operation of a scripted run; then it is recovered from what a crash may
// have left, and every promise of docs/queue.md is checked against what the script was told.

import assert from "node:assert/strict";
import test from "node:test";
import { BodyDraft } from "#store/spool/draft.ts";
import { bodyPath, openBody, readRecord } from "#store/spool/source.ts";
import type { Kept, Stored } from "#store/spool/state.ts";
import { BrokenDisk, type Fault } from "../support/brokendisk.ts";
import { head, type TestSpool, testSpool } from "../support/spool.ts";

const SEED = Number(process.env["CRASH_SEED"] ?? 20260101);

interface Known {
  readonly id: string;
  readonly body: Buffer;
  readonly large: boolean;
  kept: Kept | undefined;
  state: "sent" | "acknowledged" | "refused";
  /** An end was asked for; "durable": and is certain. */
  end: "no" | "asked" | "durable";
  /** Number of attempts the journal was told of, and the greatest one that is durable. */
  told: number;
  attempts: number;
  /** The message that this one is the bounce of. */
  readonly bounces: string | undefined;
}

/** What was asked of a spool, and what it has promised. */
class Script {
  readonly disk: BrokenDisk;
  readonly known = new Map<string, Known>();
  prefix = 0;
  #spool: TestSpool | undefined;

  constructor(disk: BrokenDisk) {
    this.disk = disk;
  }

  async run(): Promise<void> {
    const spool = await testSpool(this.disk);
    this.#spool = spool;
    const prefix = spool.prefix();
    this.prefix = Number.parseInt(prefix, 36);
    const id = (n: number) => `${prefix}-${n}`;
    // a batch of several, one of them in a file of its own; then enough to go through some segments
    await Promise.all([this.#add(id(0), 300), this.#add(id(1), 200_000), this.#add(id(2), 5000)]);
    await this.#progress(id(0), 1);
    await Promise.all([this.#end(id(2)), this.#add(id(3), 20_000), this.#bounce(id(4), id(3))]);
    for (let n = 10; n < 22; n++) {
      await this.#add(id(n), 15_000);
      if (n === 14) void this.#progress(id(0), 2);
      if (n !== 12) await this.#end(id(n));
    }
    await Promise.all([this.#end(id(1)), this.#add(id(30), 140_000)]);
    await this.#copy(id(0));
    await this.#copy(id(12));
    for (let n = 40; n < 46; n++) {
      await this.#add(id(n), 20_000);
      await this.#end(id(n));
    }
    await this.#end(id(4));
    await spool.clock.advance(1000);
    await spool.journal.close();
    this.#over = true;
  }

  /** Refused messages of which nothing is on disk any more. */
  get forgotten(): readonly string[] {
    const events = this.#spool?.events ?? [];
    return events.filter((each) => each.startsWith("forgotten ")).map((each) => each.slice(10));
  }

  async #add(id: string, size: number): Promise<void> {
    const { journal } = this.#now();
    const body = Buffer.alloc(size, `${id} `);
    const large = size > 128 * 1024;
    const known: Known = {
      id,
      body,
      large,
      kept: undefined,
      state: "sent",
      end: "no",
      told: 0,
      attempts: 0,
      bounces: undefined,
    };
    this.known.set(id, known);
    const draft = new BodyDraft({ disk: this.disk, directory: "spool" }, id, { held: 0 });
    try {
      for (let at = 0; at < size; at += 50_000) await draft.write(body.subarray(at, at + 50_000));
      const finished = await draft.finish();
      known.kept = await journal.add(head(id, { size, file: large }), finished.inline ?? []);
      known.state = "acknowledged";
    } catch {
      // refused, which promises nothing
      known.state = "refused";
    }
  }

  async #end(id: string): Promise<void> {
    const known = this.known.get(id);
    if (known?.state !== "acknowledged" || known.end !== "no") return;
    const { journal } = this.#now();
    known.end = "asked";
    await this.#push((done) => journal.end(id, "now", done));
    known.end = "durable";
    if (known.kept) journal.release(known.kept);
    if (known.large) await this.disk.remove(bodyPath("spool", id)).catch(() => false);
  }

  async #progress(id: string, attempts: number): Promise<void> {
    const known = this.known.get(id);
    if (known?.state !== "acknowledged") return;
    known.told = attempts;
    await this.#push((done) => this.#now().journal.progress(progress(id, attempts), "now", done));
    known.attempts = Math.max(known.attempts, attempts);
  }

  async #bounce(id: string, of: string): Promise<void> {
    const original = this.known.get(of);
    while (original?.state === "sent" && !this.disk.stopped) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (original?.state !== "acknowledged") return;
    const body = Buffer.from(`bounce of ${of}`);
    const known: Known = {
      id,
      body,
      large: false,
      kept: undefined,
      state: "sent",
      end: "no",
      told: 0,
      attempts: 0,
      bounces: of,
    };
    this.known.set(id, known);
    original.end = "asked";
    const { journal } = this.#now();
    await this.#push((done) => {
      void journal.insist(head(id, { size: body.length, ends: of }), [body], "now").then((kept) => {
        known.kept = kept;
        done();
      });
    });
    known.state = "acknowledged";
    original.end = "durable";
    if (original.kept) journal.release(original.kept);
  }

  /** As roles/queue/compact.ts does it. */
  async #copy(id: string): Promise<void> {
    const known = this.known.get(id);
    const old = known?.kept;
    if (known?.state !== "acknowledged" || known.end !== "no" || old?.place.kind !== "inline") return;
    const { journal } = this.#now();
    const record = await readRecord(this.disk, "spool", old.place);
    const { body, size } = old.place;
    const copied = journal.insist(head(id, { size }), [record.subarray(body, body + size)], "now");
    if (known.told > 0) void this.#progress(id, known.told);
    await this.#push((done) => void copied.then(done));
    known.kept = await copied;
    journal.release(old);
  }

  /** Waits for what the journal tries until it works: its clock goes on meanwhile. */
  async #push(start: (done: () => void) => void): Promise<void> {
    let over = false;
    start(() => (over = true));
    while (!over && !this.#over) {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.disk.stopped) await new Promise(() => {});
      await this.#tick();
    }
  }

  #ticks = 0;
  #over = false;

  /** A moment passes now and then, so that what waits for time does not wait for ever. */
  async #tick(): Promise<void> {
    if (++this.#ticks % 50 === 0) await this.#now().clock.advance(1000);
  }

  #now(): TestSpool {
    assert.ok(this.#spool);
    return this.#spool;
  }
}

function progress(id: string, attempts: number) {
  const row = { index: 0, state: "waiting", attempts, next: 1, code: "4.0.0", text: "" } as const;
  return { id, warned: false, recipients: [row] };
}

/** Everything that was promised holds in what the next start finds. */
async function check(script: Script, left: BrokenDisk, goOn: boolean): Promise<void> {
  const spool = await testSpool(left);
  const { messages } = spool.recovered;
  for (const known of script.known.values()) {
    const found = messages.get(known.id);
    checkState(known, found, script.forgotten);
    if (found) await checkBody(left, known, found);
    if (known.bounces !== undefined && known.end === "no") {
      const both = [known.bounces, known.id].map((id) => messages.slotOf(id) !== undefined);
      assert.notEqual(both[0], both[1], `Q9: original and bounce: ${both}`);
    }
  }
  for (const id of messages.keys()) assert.ok(script.known.has(id), `Q3: ${id} was never sent`);
  const bodies = [...messages.values()].filter((each) => each.head.file).map((each) => each.head.id);
  assert.deepEqual([...(await left.list("spool/body"))].sort(), bodies.sort(), "R4");
  const prefix = Number.parseInt(spool.prefix(), 36);
  const used = [...script.known.values()].some(({ state }) => state === "acknowledged");
  assert.ok(!used || prefix > script.prefix, "Q8");
  if (!goOn) return spool.journal.close();
  // and it goes on from there
  await spool.journal.add(head(`${prefix.toString(36)}-1`), [Buffer.from("next")]);
  await spool.journal.close();
  const again = await testSpool(left.crash(1, 0));
  const expected = [...messages.keys(), `${prefix.toString(36)}-1`];
  assert.deepEqual([...again.recovered.messages.keys()].sort(), expected.sort());
}

function checkState(known: Known, found: Stored | undefined, forgotten: readonly string[]): void {
  const { id, end, state, attempts } = known;
  if (state === "acknowledged" && end === "no") assert.ok(found, `Q1: ${id} was acknowledged and is lost`);
  if (end === "durable") assert.equal(found, undefined, `Q6: ${id} had ended and is back`);
  if (forgotten.includes(id)) assert.equal(found, undefined, `Q7: ${id} was refused and is there`);
  if (!found || end !== "no") return;
  const read = found.progress.get(0)?.attempts ?? 0;
  assert.ok(read >= attempts, `progress of ${id}: ${read} of ${attempts}`);
}

async function checkBody(disk: BrokenDisk, known: Known, { head: found, kept }: Stored): Promise<void> {
  // of a large message that was not acknowledged the file may be gone already; see docs/queue.md §6
  if (kept.place.kind === "file" && known.state !== "acknowledged") return;
  if (known.end !== "no") return;
  const source = await openBody(disk, "spool", kept.place);
  const parts: Buffer[] = [];
  for await (const chunk of source.chunks()) parts.push(chunk);
  await source.close();
  assert.ok(Buffer.concat(parts).equals(known.body), `Q2: the body of ${known.id}`);
  assert.equal(found.size, known.body.length);
}

async function runWith(fault: Fault | undefined): Promise<Script> {
  const disk = new BrokenDisk(SEED + (fault?.at ?? 0), fault);
  const script = new Script(disk);
  await Promise.race([
    script.run().catch((thrown: unknown) => {
      // a spool that cannot even be made is for the supervisor to say
      if (script.known.size > 0) throw thrown;
    }),
    disk.whenStopped,
  ]);
  return script;
}

async function everyOperation(kind: Fault["kind"], times: number): Promise<void> {
  const whole = await runWith(undefined);
  await check(whole, whole.disk.crash(SEED, 0), true);
  const { operations } = whole.disk;
  assert.ok(operations > 100, `only ${operations} operations`);
  for (let at = 1; at <= operations; at++) {
    const script = await runWith({ at, kind, times });
    for (const chance of [0, 0.5, 1]) {
      try {
        await check(script, script.disk.crash(SEED + at, chance), chance === 0.5);
      } catch (thrown) {
        throw new Error(`${kind} at operation ${at} of ${operations}, chance ${chance}, CRASH_SEED=${SEED}`, {
          cause: thrown,
        });
      }
    }
  }
}

test("whatever operation the process dies at, nothing acknowledged is lost and nothing ended comes back", () =>
  everyOperation("stop", 1));

test("whatever operation fails with EIO, the same", () => everyOperation("EIO", 1));

test("whatever operation the disk becomes full at, for a while, the same", () => everyOperation("ENOSPC", 3));
