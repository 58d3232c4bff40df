// Seeded fuzzing of smtpd: mutated dialogs and garbage. FUZZ_SEED and FUZZ_ITERATIONS change what is tried; a failure prints both.

import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import test from "node:test";
import { settle } from "#test/support/clock.ts";
import type { MemoryClient } from "#test/support/memory.ts";
import { World } from "../dialogs/smtp/world.ts";

const seed = Number(process.env["FUZZ_SEED"] ?? 20_260_101);
const iterations = Number(process.env["FUZZ_ITERATIONS"] ?? 40);

/** mulberry32: small, seeded, good enough to choose with. */
class Random {
  #state: number;

  constructor(start: number) {
    this.#state = start >>> 0;
  }

  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T;
  }
}

/** What clients say in the dialogs. */
const folder = path.resolve(import.meta.dirname, "../dialogs");
const corpus = globSync(["smtp/*.dialog", "submission/*.dialog"], { cwd: folder })
  .sort()
  .flatMap((file) => readFileSync(path.join(folder, file), "utf8").split("\n"))
  .filter((line) => line.startsWith("C: ") && line.length < 200)
  // one character for each byte
  .map((line) => Buffer.from(line.slice(3)).toString("latin1"))
  // a session that says goodbye early shows little
  .filter((line) => !/^(?:quit|STARTTLS|POST)/i.test(line));

const ODD = [
  "\0",
  "\r",
  "\n",
  " ",
  "<",
  ">",
  ":",
  "@",
  '"',
  "\\",
  ".",
  "\t",
  "\x7f",
  "\xff",
  "=",
  "x".repeat(3000),
];

function mutated(random: Random, line: string): string {
  let text = line;
  for (let times = random.below(3); times > 0; times--) {
    const at = random.below(text.length + 1);
    const end = at + random.below(4);
    text = text.slice(0, at) + (random.below(2) === 0 ? random.pick(ODD) : "") + text.slice(end);
  }
  // two lines in one would have two replies, which is another test
  return text.replaceAll("\r\n", "");
}

/** BDAT with as many octets as it says: commands, garbage, or both. */
function bdat(random: Random): string {
  const octets = random.below(3) === 0 ? noise(random) : `${random.pick(corpus)}\r\n`;
  const behind = random.pick(["", "", " LAST", " last", " FIRST"]);
  return `BDAT ${octets.length}${behind}\r\n${octets}`;
}

const noise = (random: Random): string =>
  String.fromCharCode(...Array.from({ length: random.below(40) }, () => random.below(256)));

/** Complete replies in a text of the server: last lines, with a space behind the code. */
function repliesOf(text: string): readonly string[] {
  assert.match(text, /^(?:[2-5]\d\d[ -][ -~]*\r\n)*$/, `not replies: ${JSON.stringify(text)}`);
  return text.split("\r\n").filter((line) => /^\d{3} /.test(line));
}

class Fuzzed {
  readonly sent: string[] = [];
  readonly #client: MemoryClient;
  readonly #random: Random;
  last = "220";

  constructor(client: MemoryClient, random: Random) {
    this.#client = client;
    this.#random = random;
  }

  async step(): Promise<void> {
    if (this.last.startsWith("354")) return this.#body();
    if (this.#random.below(5) === 0) return this.say(bdat(this.#random), 1);
    const line = mutated(this.#random, this.#random.pick(corpus));
    // each LF ends a line, good or bad
    await this.say(`${line}\r\n`, line.split("\n").length);
  }

  async #body(): Promise<void> {
    const random = this.#random;
    const lines = Array.from({ length: random.below(8) }, () => mutated(random, random.pick(corpus)));
    const text = lines.join(random.below(4) === 0 ? "\n" : "\r\n").replaceAll(/(^|\n)\./g, "$1..");
    await this.say(`${text}\r\n.\r\n`, 1);
  }

  async say(text: string, replies: number): Promise<void> {
    this.sent.push(text);
    this.#client.send(Buffer.from(text, "latin1"));
    await settle(5);
    const got = repliesOf(this.#client.drain().toString("latin1"));
    this.last = got.at(-1) ?? "";
    if (this.#client.closed) assert.match(this.last, /^(?:221|421) /, "closed behind another reply");
    else assert.equal(got.length, replies, `${got.length} replies to ${JSON.stringify(text)}`);
  }
}

async function session(number: number, mode: string): Promise<void> {
  const random = new Random(seed + number);
  const world = new World({ mode });
  const { client, done } = world.connect();
  if (mode === "submissions") await client.secure();
  await settle();
  client.drain();
  const fuzzed = new Fuzzed(client, random);
  try {
    await fuzzed.say("EHLO fuzz.test\r\n", 1);
    if (mode === "submissions") {
      const login = Buffer.from("\0ann@example.test\0secret").toString("base64");
      await fuzzed.say(`AUTH PLAIN ${login}\r\n`, 1);
    }
    for (let steps = 0; steps < 60 && !client.closed; steps++) await fuzzed.step();
    if (!client.closed && fuzzed.last.startsWith("354")) await fuzzed.say(".\r\n", 1);
    if (!client.closed && fuzzed.last.startsWith("334")) await fuzzed.say("*\r\n", 1);
    if (!client.closed) {
      await fuzzed.say("RSET\r\n", 1);
      if (!client.closed) assert.match(fuzzed.last, /^250 /);
    }
    client.close();
    await done;
    assert.ok(world.messages.every(({ state }) => state !== "open"));
  } catch (error) {
    throw new Error(`FUZZ_SEED=${seed}, session ${number}: ${JSON.stringify(fuzzed.sent)}`, { cause: error });
  }
}

for (const mode of ["mx", "submissions"]) {
  test(`mutated dialogs get one reply a line, close only behind 221 or 421, and RSET answers 250 (${mode}, seed ${seed})`, async () => {
    for (let number = 0; number < iterations; number++) await session(number, mode);
  });
}

/** A whole conversation as bytes: commands, bodies and garbage, not waiting for replies. */
function stream(random: Random): Buffer {
  const parts: string[] = ["EHLO fuzz.test\r\n"];
  for (let steps = 5 + random.below(30); steps > 0; steps--) {
    const kind = random.below(11);
    if (kind === 0) parts.push("MAIL FROM:<b@far.test>\r\nRCPT TO:<ann@example.test>\r\nDATA\r\n");
    else if (kind === 1)
      parts.push(random.pick(["\r\n.\r\n", ".\r\n", "\n.\n", "\r.\r", "\r\n..\r\n", "\r\n.\r"]));
    else if (kind === 2) parts.push(noise(random));
    else if (kind === 3) parts.push("MAIL FROM:<b@far.test>\r\nRCPT TO:<ann@example.test>\r\n");
    else if (kind < 6) parts.push(bdat(random));
    // octets that are more or fewer than was said, or a size that cannot be read
    else if (kind === 6) parts.push(mutated(random, bdat(random)));
    else parts.push(`${mutated(random, random.pick(corpus))}\r\n`);
  }
  return Buffer.from(parts.join(""), "latin1");
}

/** What the server says to a stream in chunks, and what the queue got. */
async function transcript(chunks: readonly Buffer[]): Promise<string> {
  const world = new World();
  const { client, done } = world.connect();
  for (const chunk of chunks) {
    client.send(chunk);
    await settle(1);
  }
  await settle(10);
  client.close();
  await done;
  const messages = world.messages
    .filter(({ state }) => state === "queued")
    .map(({ id, envelope, body }) => JSON.stringify([id, envelope, body.toString("latin1")]));
  return `${client.drain().toString("latin1")}\n${messages.join("\n")}`;
}

test(`a stream gets the same replies however it is cut (seed ${seed})`, async () => {
  for (let number = 0; number < iterations; number++) {
    const random = new Random(seed + number);
    const bytes = stream(random);
    const whole = await transcript([bytes]);
    const cuts: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      const length = 1 + random.below(random.pick([2, 10, 200]));
      cuts.push(bytes.subarray(at, at + length));
      at += length;
    }
    const shown = `FUZZ_SEED=${seed}, stream ${number}: ${JSON.stringify(bytes.toString("latin1"))}`;
    assert.equal(await transcript(cuts), whole, shown);
  }
});
