import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { systemClock } from "#base/clock.ts";
import { integer, record, text } from "#base/shape.ts";
import { answerVerbs, on } from "./answerer.ts";
import { Caller, type Verb } from "./caller.ts";
import { formatFrame } from "./frame.ts";

const double: Verb<{ readonly n: number }, { readonly twice: number }> = {
  kind: 1,
  question: record({ n: integer() }),
  answer: record({ twice: integer() }),
};
const sorry: Verb<{ readonly n: number }, { readonly t: string }> = {
  kind: 2,
  question: record({ n: integer() }),
  answer: record({ t: text() }),
};

function place(context: TestContext): string {
  const directory = mkdtempSync(path.join(tmpdir(), "kenro-talk-"));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  return path.join(directory, "s.sock");
}

const caller = (at: string) => new Caller({ path: at, clock: systemClock });

test("many questions at once get their own answers, in any order", async (context) => {
  const at = place(context);
  const answering = await answerVerbs(
    at,
    [
      on(double, async ({ n }) => {
        await new Promise((resolve) => setTimeout(resolve, n % 3));
        return { twice: 2 * n };
      }),
    ],
    { trouble: () => {} },
  );
  const asking = caller(at);
  const numbers = Array.from({ length: 100 }, (_, n) => n);
  const answers = await Promise.all(numbers.map((n) => asking.ask(double, { n })));
  assert.deepEqual(
    answers.map((each) => each.twice),
    numbers.map((n) => 2 * n),
  );
  asking.close();
  answering.close();
});

test("a question that throws is sorry for the asker, logged, and harms no other", async (context) => {
  const at = place(context);
  const troubles: string[] = [];
  const answering = await answerVerbs(
    at,
    [
      on(double, ({ n }) => ({ twice: 2 * n })),
      on(sorry, () => {
        throw new Error("secret detail");
      }),
    ],
    { trouble: (message) => troubles.push(message) },
  );
  const asking = caller(at);
  const failed = asking.ask(sorry, { n: 1 });
  await assert.rejects(failed, (error: Error) => !error.message.includes("secret"));
  assert.deepEqual(await asking.ask(double, { n: 4 }), { twice: 8 });
  assert.match(troubles.join(), /secret detail/);
  asking.close();
  answering.close();
});

test("an asker that speaks garbage loses its own link only", async (context) => {
  const at = place(context);
  const troubles: string[] = [];
  const answering = await answerVerbs(at, [on(double, ({ n }) => ({ twice: 2 * n }))], {
    trouble: (message) => troubles.push(message),
  });
  const good = caller(at);
  await good.ask(double, { n: 1 });
  for (const payload of ["{", '{"n":-1}', '{"n":"1"}', "[]", '{"n":9007199254740993}']) {
    const bad = net.connect({ path: at });
    bad.write(formatFrame(0, 0, '{"version":1}'));
    bad.write(formatFrame(1, 9, payload));
    await new Promise((resolve) => bad.once("close", resolve).resume());
  }
  assert.equal(troubles.length, 5);
  assert.deepEqual(await good.ask(double, { n: 2 }), { twice: 4 });
  good.close();
  answering.close();
});

test("a lost link ends what was under way in Trouble; the next question dials again", async (context) => {
  const at = place(context);
  let sockets: net.Socket[] = [];
  const silent = net.createServer((socket) => sockets.push(socket));
  await new Promise<void>((resolve) => silent.listen(at, resolve));
  const asking = caller(at);
  const lost = asking.ask(double, { n: 1 });
  while (sockets.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  for (const socket of sockets) socket.destroy();
  await assert.rejects(lost, { name: "Trouble" });
  sockets = [];
  await new Promise((resolve) => silent.close(resolve));
  const answering = await answerVerbs(at, [on(double, ({ n }) => ({ twice: 2 * n }))], { trouble: () => {} });
  assert.deepEqual(await asking.ask(double, { n: 21 }), { twice: 42 });
  asking.close();
  answering.close();
});

test("silence ends in Trouble after the time given", async (context) => {
  const at = place(context);
  const silent = net.createServer((socket) => socket.resume());
  await new Promise<void>((resolve) => silent.listen(at, resolve));
  const asking = caller(at);
  await assert.rejects(asking.ask(double, { n: 1 }, 20), /no answer within 20 ms/);
  asking.close();
  silent.close();
});
