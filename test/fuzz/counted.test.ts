// Seeded fuzzing of QMTP and QMQP: whatever a client sends and however it is cut, answers are netstrings that begin with K, Z or D, there
// is a message in the queue for each K and none is left open. FUZZ_SEED and FUZZ_ITERATIONS change what is tried.

import assert from "node:assert/strict";
import test from "node:test";
import { seeded } from "#test/support/brokendisk.ts";
import { settle } from "#test/support/clock.ts";
import { World } from "../dialogs/smtp/world.ts";

const seed = Number(process.env["FUZZ_SEED"] ?? 20_260_303);
const iterations = Number(process.env["FUZZ_ITERATIONS"] ?? 150);

type Random = (below: number) => number;

const pick = <T>(random: Random, from: readonly T[]): T => from[random(from.length)] as T;

const ODD = ["", ",", ":", "0:,", "9", "00", "-1:", "\n", "\r", "\0", "\xff", "1:", ",,", "9999999999:", " "];

/** A netstring, now and then with a length or an end that is wrong. */
function netstring(random: Random, text: string): string {
  const length = random(25) === 0 ? text.length + random(5) - 2 : text.length;
  const end = random(30) === 0 ? pick(random, ODD) : ",";
  return `${length}:${text}${end}`;
}

function message(random: Random, mode: string): string {
  const lines = Array.from({ length: random(6) }, () =>
    random(12) === 0 ? pick(random, ["a\rb", "\0"]) : pick(random, ["Subject: x", "", ".", "bär", "y: z"]),
  );
  const end = pick(random, ["\n", "\r\n"]);
  const text = lines.map((line) => line + end).join("");
  const good = ["ann@example.test", "bob@example.test", "list@far.test"];
  const addresses = [
    ...good,
    ...good,
    ...good,

    "ann@example.test",
    "no@example.test",
    "x@far.test",
    "",
    "b\0",
    "@",
    "z".repeat(1001),
    "a b@c",
  ];
  const recipients = Array.from({ length: 1 + random(4) }, () => netstring(random, pick(random, addresses)));
  const sender = netstring(random, pick(random, addresses));
  if (mode === "qmqp") return netstring(random, netstring(random, text) + sender + recipients.join(""));
  const first = random(20) === 0 ? pick(random, ODD) : end === "\n" ? "\n" : "\r";
  return netstring(random, first + text) + sender + netstring(random, recipients.join(""));
}

function mutated(random: Random, text: string): string {
  if (random(3) > 0) return text;
  const at = random(text.length + 1);
  return text.slice(0, at) + pick(random, ODD) + text.slice(at + random(4));
}

interface Outcome {
  readonly said: string;
  readonly queued: readonly string[];
}

async function talk(mode: string, pieces: readonly Buffer[]): Promise<Outcome> {
  const world = new World({ mode });
  const { client, done } = world.connect();
  for (const piece of pieces) {
    client.send(piece);
    await settle(1);
  }
  await settle(10);
  client.close();
  await done;
  assert.ok(
    world.messages.every(({ state }) => state !== "open"),
    "a message was left open",
  );
  const queued = world.messages
    .filter(({ state }) => state === "queued")
    .map(({ id, envelope, body }) => JSON.stringify([id, envelope, body.toString("latin1")]));
  return { said: client.drain().toString("latin1"), queued };
}

function cut(random: Random, bytes: Buffer): readonly Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = 1 + random(pick(random, [2, 10, 300]));
    pieces.push(bytes.subarray(at, at + length));
    at += length;
  }
  return pieces;
}

for (const mode of ["qmtp", "qmqp"]) {
  test(`${mode}: answers are netstrings, the same however the bytes are cut (seed ${seed})`, async () => {
    let queued = 0;
    for (let number = 0; number < iterations; number++) {
      const next = seeded(seed + number);
      const random: Random = (below) => Math.floor(next() * below);
      const text = Array.from({ length: 1 + random(3) }, () => mutated(random, message(random, mode))).join(
        "",
      );
      const bytes = Buffer.from(text, "latin1");
      const shown = `FUZZ_SEED=${seed}, number ${number}: ${JSON.stringify(text)}`;
      const whole = await talk(mode, [bytes]);
      assert.match(whole.said, /^(?:\d+:[KZD][ -~]+,)*$/, shown);
      const answers = whole.said.match(/\d+:K/g)?.length ?? 0;
      assert.ok(mode === "qmtp" ? answers >= whole.queued.length : answers === whole.queued.length, shown);
      assert.deepEqual(await talk(mode, cut(random, bytes)), whole, shown);
      queued += whole.queued.length;
    }
    assert.ok(queued > iterations / 10, `only ${queued} messages`);
  });
}
