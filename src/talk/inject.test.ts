import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { systemClock } from "#base/clock.ts";
import type { Envelope } from "#wire/envelope.ts";
import { formatFrame } from "./frame.ts";
import { answerInjections, type Draft, type InjectHead, Injector, type InjectResult } from "./inject.ts";

const envelope: Envelope = {
  sender: "a@x.test",
  recipients: [{ address: "b@y.test" }],
  body: "7bit",
  submitted: false,
};

interface Kept {
  readonly head: InjectHead;
  readonly body: Buffer[];
  aborted: boolean;
  front: string;
}

async function queue(context: TestContext, begin?: (head: InjectHead) => InjectResult | undefined) {
  const directory = mkdtempSync(path.join(tmpdir(), "kenro-inject-"));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const at = path.join(directory, "s.sock");
  const kept: Kept[] = [];
  const troubles: string[] = [];
  let links = 0;
  const answering = await answerInjections(at, {
    prefix: () => `p${++links}`,
    trouble: (message) => troubles.push(message),
    begin: (head): Draft | InjectResult => {
      const refused = begin?.(head);
      if (refused) return refused;
      const one: Kept = { head, body: [], aborted: false, front: "" };
      kept.push(one);
      return {
        write: (chunk) => {
          one.body.push(Buffer.from(chunk));
          return undefined;
        },
        commit: async (front) => {
          one.front = front;
          return { kind: "queued", id: head.id };
        },
        abort: () => {
          one.aborted = true;
        },
      };
    },
  });
  context.after(() => answering.close());
  return { at, kept, troubles };
}

test("a message arrives whole, under an id with the link's prefix", async (context) => {
  const { at, kept } = await queue(context);
  const injector = new Injector(at, systemClock);
  const first = await injector.begin("s1", envelope);
  first.write(Buffer.from("Subject: x\r\n"));
  first.write(Buffer.from("\r\nbody\r\n"));
  assert.deepEqual(await first.commit(), { kind: "queued", id: "p1-1" });
  assert.equal(Buffer.concat(kept[0]?.body ?? []).toString(), "Subject: x\r\n\r\nbody\r\n");
  assert.deepEqual(kept[0]?.head, { id: "p1-1", session: "s1", envelope });
  const second = await injector.begin("s2", envelope);
  second.abort();
  const third = await injector.begin("s3", envelope);
  assert.deepEqual(await third.commit("X-A: \u00e4\r\n"), { kind: "queued", id: "p1-3" });
  assert.deepEqual(
    kept.map(({ front }) => front),
    ["", "", "X-A: \u00e4\r\n"],
  );
  assert.equal(kept[1]?.aborted, true);
  injector.close();
});

test("an early refusal is known before the end and is the result", async (context) => {
  const full: InjectResult = { kind: "refused", reason: "full", text: "no room" };
  const { at } = await queue(context, () => full);
  const injector = new Injector(at, systemClock);
  const injection = await injector.begin("s", envelope);
  injection.write(Buffer.from("x"));
  while (!injection.refused) await new Promise((resolve) => setTimeout(resolve, 2));
  assert.equal(injection.write(Buffer.from("more")), true);
  assert.deepEqual(await injection.commit(), full);
  injector.close();
});

test("a link that dies before the result rejects, and the draft is aborted", async (context) => {
  const { at, kept } = await queue(context);
  const injector = new Injector(at, systemClock);
  const injection = await injector.begin("s", envelope);
  injection.write(Buffer.from("x"));
  while (kept.length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
  injector.close();
  while (!kept[0]?.aborted) await new Promise((resolve) => setTimeout(resolve, 2));
});

test("a thief of smtpd cannot use the id of another link", async (context) => {
  const { at, kept, troubles } = await queue(context);
  for (const id of ["p9-1", "p1", "", "x", "p5-", "p6-../x", "p7-1/2", "p8-A"]) {
    const thief = net.connect({ path: at });
    thief.on("error", () => {
      // closed by the queue
    });
    thief.write(formatFrame(0, 0, '{"version":1}'));
    thief.write(formatFrame(2, 1, JSON.stringify({ id, session: "s", envelope })));
    await new Promise((resolve) => thief.once("close", resolve).resume());
  }
  assert.equal(kept.length, 0);
  assert.equal(troubles.length, 8);
});
