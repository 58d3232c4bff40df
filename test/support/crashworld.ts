// The world around a queue that crashes: a script of mail, Maildirs and other servers that remember across crashes what reached them,
// and the promises of docs/queue.md as checks. Everything in one process, without sockets, so that hundreds of crashes take seconds.

import assert from "node:assert/strict";
import { Logger } from "#log/logger.ts";
import { openQueue, type Queue } from "#roles/queue/queue.ts";
import { openBody } from "#store/spool/source.ts";
import type { Caller } from "#talk/caller.ts";
import type { Delivered, Delivery } from "#talk/deliver.ts";
import type { Outcome } from "#wire/envelope.ts";
import type { BrokenDisk } from "./brokendisk.ts";
import { FakeClock, settle } from "./clock.ts";

/** So small that the script goes through many segments, with recycling and compaction. */
const SEGMENT = 32 * 1024;
const WAVES = 11;

const slice = {
  log: "info",
  reporter: "",
  hostname: "mx.here.test",
  lifetime: 604_800_000,
  localConcurrency: 5,
  remoteConcurrency: 5,
  destinationConcurrency: 10,
  destinationStart: 10,
  freeSpace: 0,
  dropDomain: "here.test",
  dropDefaultDomain: "here.test",
  dropPlusDomain: "test",
  dropSize: 1_000_000,
  percentHack: [],
} as const;

interface Letter {
  readonly sender: string;
  /** What becomes of a recipient is in its first letter: u is delivered, d deferred until all is calm, f refused, p goes on to the same with q. */
  readonly to: readonly string[];
  readonly body: string;
}

interface Sent extends Letter {
  acknowledged: boolean;
}

export interface Life {
  readonly queue: Queue;
  readonly clock: FakeClock;
  readonly lines: string[];
}

export class CrashWorld {
  /** Nothing is deferred any more. */
  calm = false;
  readonly sent = new Map<string, Sent>();
  readonly lines: string[] = [];
  /** `id index` of each Maildir file, as local names them, with the body. */
  readonly #maildir = new Map<string, string>();
  /** `id address` → how many copies another server took. */
  readonly #relayed = new Map<string, number>();
  /** How many messages have gone on to an address with q. */
  readonly #passed = new Map<string, number>();
  /** Bounces by the address they are about. */
  readonly #bounces = new Map<string, number>();
  readonly #wrong: string[] = [];
  #crashes = 0;
  #disk: BrokenDisk;
  #now = Date.UTC(2026, 0, 1);
  #life = 0;

  constructor(disk: BrokenDisk) {
    this.#disk = disk;
  }

  get disk(): BrokenDisk {
    return this.#disk;
  }

  /** Starts a queue on the disk; undefined when the disk stopped before it was up. */
  async start(): Promise<Life | undefined> {
    const life = ++this.#life;
    const clock = new FakeClock(this.#now);
    const sink = (line: string) => this.lines.push(`${life} ${line.slice(line.indexOf(" queue ") + 7)}`);
    let queue: Queue | undefined;
    let failure: unknown;
    const opened = openQueue({
      clock,
      disk: this.#disk,
      directory: "spool",
      log: new Logger({ role: "queue", clock, level: "info", sink }),
      slice: () => slice,
      local: this.#caller<Delivery>(life, (delivery) => this.#local(delivery)),
      remote: this.#caller<Delivery>(life, (delivery) => this.#remote(delivery)),
      auth: this.#caller<{ readonly domain: string }>(life, async ({ domain }) => ({
        local: domain.endsWith("here.test"),
      })),
      random: () => 0,
      segmentSize: SEGMENT,
    }).then(
      (open) => {
        queue = open;
      },
      (thrown: unknown) => {
        failure = thrown;
      },
    );
    await Promise.race([opened, this.#disk.whenStopped]);
    if (failure !== undefined) throw failure;
    return queue && { queue, clock, lines: this.lines };
  }

  /** The machine or the process dies; what the disk holds then is what `left` makes of it. */
  crash(life: Life | undefined, left: (disk: BrokenDisk) => BrokenDisk): void {
    this.#crashes++;
    this.#life++;
    this.#disk.stop();
    if (life) this.#now = life.clock.now();
    this.#disk = left(this.#disk);
  }

  /** Sends one message and does not wait; a body of more than 128 KiB goes to a file. */
  send(queue: Queue, prefix: string, letter: Letter): void {
    const id = `${prefix}-${(this.sent.size + 1).toString(36)}`;
    const sent: Sent = { ...letter, acknowledged: false };
    this.sent.set(id, sent);
    const recipients = letter.to.map((address) => ({ address }));
    const envelope = { sender: letter.sender, recipients, body: "7bit", submitted: false } as const;
    const draft = queue.intake.begin({ id, session: "s", envelope });
    if ("kind" in draft) return;
    const bytes = Buffer.from(letter.body, "latin1");
    for (let at = 0; at < bytes.length; at += 60_000) void draft.write(bytes.subarray(at, at + 60_000));
    draft.commit("").then(
      (result) => {
        sent.acknowledged = result.kind === "queued";
      },
      (thrown: unknown) => this.#wrong.push(`commit rejected: ${thrown}`),
    );
  }

  /** Lets a life run to its end: everything is due at once, again and again, until nothing is queued. */
  async finish({ queue, clock }: Life): Promise<void> {
    this.calm = true;
    await settle();
    for (let round = 0; round < 30 && queue.entries.size > 0; round++) {
      queue.control[1]?.run({ id: "" });
      await clock.advance(2000);
    }
    assert.equal(queue.entries.size, 0, `mail stays in the queue:\n${this.lines.join("\n")}`);
    await clock.advance(1000);
  }

  /** What the promise says, after everything has come to rest. */
  check(): void {
    assert.deepEqual(this.#wrong, []);
    for (const [id, { acknowledged, to, body }] of this.sent) {
      to.forEach((address, index) => {
        if (address.startsWith("f")) this.#checkBounce(id, address, acknowledged);
        else if (address.startsWith("p")) this.#checkPassed(id, address, acknowledged);
        else this.#checkDelivery(id, address, acknowledged);
        const file = this.#maildir.get(`${id} ${index}`);
        if (file !== undefined) assert.equal(file, body, `${id} changed`);
      });
    }
  }

  #checkDelivery(id: string, address: string, acknowledged: boolean): void {
    const index = this.sent.get(id)?.to.indexOf(address);
    const local = address.endsWith("here.test");
    const reached = local
      ? Number(this.#maildir.has(`${id} ${index}`))
      : (this.#relayed.get(`${id} ${address}`) ?? 0);
    if (acknowledged) assert.ok(reached >= 1, `${id} to ${address} was acknowledged and is lost`);
    // a remote duplicate needs a crash between the other server's answer and our note of it
    const most = local ? 1 : 1 + this.#crashes;
    assert.ok(reached <= most, `${id} to ${address} was sent ${reached} times`);
  }

  /** Q14 */
  #checkPassed(id: string, address: string, acknowledged: boolean): void {
    const passed = this.#passed.get(address.replace("p", "q")) ?? 0;
    if (acknowledged) assert.equal(passed, 1, `${id} went on from ${address} ${passed} times`);
    else assert.ok(passed <= 1, `${id} went on from ${address} ${passed} times`);
  }

  /** Q9 */
  #checkBounce(id: string, address: string, acknowledged: boolean): void {
    const bounces = this.#bounces.get(address) ?? 0;
    if (acknowledged) assert.equal(bounces, 1, `${id} to ${address} failed and has ${bounces} bounces`);
    else assert.ok(bounces <= 1, `${id} to ${address} has ${bounces} bounces`);
  }

  #caller<Q>(life: number, answer: (question: Q) => Promise<unknown>): Caller {
    const ask = async (_verb: unknown, question: unknown) => {
      const result = await answer(question as Q);
      await new Promise((resolve) => setImmediate(resolve));
      // who asked is dead
      if (life !== this.#life) await new Promise(() => {});
      return result;
    };
    // the queue uses nothing but `ask`
    return { ask } as unknown as Caller;
  }

  async #local(delivery: Delivery): Promise<Delivered> {
    const body = await this.#read(delivery);
    const outcomes = delivery.recipients.map(({ index, address }) => {
      return { index, outcome: this.#keep(delivery, `${delivery.id} ${index}`, { address, body }) };
    });
    return { outcomes };
  }

  #keep(
    delivery: Delivery,
    name: string,
    mail: { readonly address: string; readonly body: string },
  ): Outcome {
    const { address, body } = mail;
    if (address.startsWith("f")) return { kind: "failed", why: { code: "5.1.1", text: "no such user" } };
    if (address.startsWith("d") && !this.calm)
      return { kind: "deferred", why: { code: "4.2.2", text: "full" } };
    if (address.startsWith("p")) {
      const letter = { recipients: [address.replace("p", "q")], prefix: "X-Passed: yes\r\n" };
      return { kind: "forwarded", by: "on its way", letter };
    }
    if (this.#maildir.has(name)) {
      if (!delivery.again) this.#wrong.push(`${name} comes again and does not say so`);
      return { kind: "delivered", by: "already there" };
    }
    this.#maildir.set(name, body);
    if (address.startsWith("q")) this.#passed.set(address, (this.#passed.get(address) ?? 0) + 1);
    if (!this.sent.has(delivery.id)) this.#bounced(body);
    return { kind: "delivered", by: "Maildir" };
  }

  #bounced(body: string): void {
    for (const [, address = ""] of body.matchAll(/^Final-Recipient: rfc822; (.*?)\r$/gm)) {
      this.#bounces.set(address, (this.#bounces.get(address) ?? 0) + 1);
    }
  }

  async #remote(delivery: Delivery): Promise<Delivered> {
    await this.#read(delivery);
    const why = { code: "4.4.1", text: "no answer" };
    const dead = delivery.domain === "dead.test" && !this.calm;
    const outcomes = delivery.recipients.map(({ index, address }) => {
      if (dead) return { index, outcome: { kind: "deferred", why } as const };
      const name = `${delivery.id} ${address}`;
      this.#relayed.set(name, (this.#relayed.get(name) ?? 0) + 1);
      return { index, outcome: { kind: "delivered", by: "250 ok" } as const };
    });
    return { outcomes };
  }

  async #read(delivery: Delivery): Promise<string> {
    const source = await openBody(this.#disk, "spool", delivery.place);
    const parts: Buffer[] = [];
    for await (const chunk of source.chunks()) parts.push(Buffer.from(chunk));
    await source.close();
    return Buffer.concat(parts).toString("latin1");
  }
}

const text = (n: number, size: number) => `Subject: ${n}\r\n\r\n${`${n} `.repeat(size / 2)}\r\n`;

/** Waves of mail of every kind, enough to go through several segments, with deferrals, bounces and retries between. */
export async function script(world: CrashWorld, { queue, clock }: Life): Promise<void> {
  const prefix = queue.intake.prefix();
  const sender = "ann@here.test";
  const mail = (to: readonly string[], body: string) => world.send(queue, prefix, { sender, to, body });
  for (let wave = 0; wave < WAVES && !world.disk.stopped; wave++) {
    const tag = `${prefix}.${wave}`;
    mail([`u${tag}@here.test`], text(wave, 6000));
    mail([`u${tag}a@here.test`, `u${tag}@far.test`], text(wave, 9000));
    mail([`d${tag}@here.test`, `d${tag}@dead.test`], text(wave, 400));
    mail([`f${tag}@here.test`], text(wave, 800));
    mail([`p${tag}@here.test`, `d${tag}p@here.test`], text(wave, wave % 4 === 0 ? 135_000 : 500));
    if (wave % 5 === 1) mail([`u${tag}b@here.test`], text(wave, 140_000));
    for (let turn = 0; turn < 3 && !world.disk.stopped; turn++) await settle(8);
    if (!world.disk.stopped) await clock.advance(wave % 2 === 0 ? 60 : 450_000);
  }
}
