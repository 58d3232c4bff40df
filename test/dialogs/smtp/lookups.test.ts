// Pipelined recipients are looked up together, and answered in their order.

import assert from "node:assert/strict";
import test from "node:test";
import { limits } from "#base/limits.ts";
import { Trouble } from "#base/problem.ts";
import type { RecipientAnswer } from "#talk/lookup.ts";
import { settle } from "#test/support/clock.ts";
import { HELLO, heard, say } from "./clients.ts";
import { World } from "./world.ts";

interface Question {
  readonly address: string;
  readonly resolve: (answer: RecipientAnswer) => void;
  readonly reject: (reason: Trouble) => void;
}

/** A session in a transaction, whose questions about recipients the test answers. */
async function asking() {
  const world = new World({ recipients: "1000" });
  const questions: Question[] = [];
  Object.assign(world.peers, {
    recipient: (address: string) =>
      new Promise((resolve, reject) => questions.push({ address, resolve, reject })),
  });
  const { client } = world.connect();
  await say(client, `${HELLO}MAIL FROM:<b@far.test>\r\n`);
  return { world, client, questions };
}

const rcpt = (name: string | number) => `RCPT TO:<${name}@example.test>\r\n`;
const codes = (said: string) => [...said.matchAll(/^(\d{3}) /gm)].map(([, code]) => code).join(" ");

test("the answers keep their order, whatever the order of the look-ups", async () => {
  const { client, questions } = await asking();
  client.send(`${rcpt("a")}${rcpt("b")}RCPT TO:<>\r\n${rcpt("c")}${rcpt("d")}`);
  await settle();
  assert.deepEqual(questions.map(({ address }) => address[0]).join(""), "abcd");
  const [a, b, c, d] = questions;
  d?.resolve({ kind: "deliverable" });
  c?.reject(new Trouble("ask", "away"));
  b?.resolve({ kind: "unknown" });
  assert.equal(await heard(client), "");
  a?.resolve({ kind: "elsewhere" });
  assert.equal(codes(await heard(client)), "550 550 501 451 250");
});

test("no more than a number are asked at a time, and each once", async () => {
  const { client, questions } = await asking();
  const count = 3 * limits.smtp.lookups + 7;
  client.send(`${Array.from({ length: count }, (_, n) => rcpt(n)).join("")}${rcpt(0)}`);
  let most = 0;
  let answered = 0;
  while (answered < count + 1) {
    await settle(3);
    most = Math.max(most, questions.length - answered);
    questions[answered++]?.resolve({ kind: "deliverable" });
  }
  const said = codes(await heard(client));
  assert.equal(said.split(" ").length, count + 1);
  assert.doesNotMatch(said, /\b[45]/);
  assert.equal(most, limits.smtp.lookups + 1);
  assert.equal(questions.length, count + 1);
});

test("nothing is asked ahead of another command, or beyond the transaction", async () => {
  const { client, questions } = await asking();
  client.send(`${rcpt("a")}NOOP\r\n${rcpt("b")}RSET\r\n${rcpt("c")}`);
  await settle();
  assert.equal(questions.length, 1);
  questions[0]?.resolve({ kind: "deliverable" });
  await settle();
  assert.equal(questions.length, 2);
  questions[1]?.resolve({ kind: "deliverable" });
  assert.equal(codes(await heard(client)), "250 250 250 250 503");
  assert.equal(questions.length, 2);
});
