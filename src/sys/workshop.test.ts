import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { systemClock } from "#base/clock.ts";
import { CallFailed, ThreadLost, Workshop } from "./workshop.ts";

function workshop(context: TestContext, time = 2000, memory = 64): Workshop {
  const made = new Workshop({ clock: systemClock, time, memory });
  // the threads of the test do not keep its process alive
  const alive = setInterval(() => {}, 1000);
  context.after(() => {
    made.close();
    clearInterval(alive);
  });
  return made;
}

test("what was loaded is called with plain data, and answers plain data", async (context) => {
  const shop = workshop(context);
  const source =
    "export const stage: string = 'x'; export const judge = (n: number) => ({ n: n + 1, f() {} });";
  assert.deepEqual(await shop.load("a", source), { stage: "x", judges: true });
  assert.deepEqual(await shop.call("a", 1), { n: 2 });
  await shop.load("b", "export const judge = async () => undefined");
  assert.equal(await shop.call("b", 1), null);
  await shop.load("a", "export const judge = () => 'new'");
  assert.equal(await shop.call("a", 1), "new");
});

test("what fails fails alone", async (context) => {
  const shop = workshop(context);
  await assert.rejects(shop.load("bad", "export const = 1"), CallFailed);
  await assert.rejects(shop.load("bad", 'import "./x.ts"'), CallFailed);
  await assert.rejects(shop.load("bad", "throw new Error('no')"), /Error: no/);
  await assert.rejects(shop.call("bad", 1), /exports no function/);
  await shop.load("throws", "export const judge = () => { throw null }");
  await assert.rejects(shop.call("throws", 1), CallFailed);
  await shop.load("big", "export const judge = () => 1n");
  await assert.rejects(shop.call("big", 1), CallFailed);
  await shop.load("good", "export const judge = () => 1");
  assert.equal(await shop.call("good", 0), 1);
  await assert.rejects(
    shop.call("good", () => {}),
    CallFailed,
    "no functions go in",
  );
});

test("a thread that hangs, dies or eats too much is replaced; the others' calls go on", async (context) => {
  const shop = workshop(context, 700, 32);
  await shop.load("good", "export const judge = (n) => n");
  await shop.load("hangs", "export const judge = () => { for (;;); }");
  await shop.load("waits", "export const judge = () => new Promise(() => {})");
  await shop.load("leaves", "export const judge = () => process.exit(1)");
  await shop.load(
    "eats",
    "export const judge = () => { const all = []; for (;;) all.push(new Array(10000).fill({})); }",
  );
  await shop.load(
    "later",
    "export const judge = () => { setTimeout(() => { throw new Error('late'); }, 1); return 1; }",
  );
  for (const name of ["hangs", "waits", "leaves", "eats"]) {
    const [lost, kept] = await Promise.allSettled([shop.call(name, 1), shop.call("good", name)]);
    assert.ok(lost.status === "rejected" && lost.reason instanceof ThreadLost, name);
    assert.deepEqual(kept, { status: "fulfilled", value: name });
  }
  assert.equal(await shop.call("later", 1), 1);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(await shop.call("good", 2), 2);
});
