import assert from "node:assert/strict";
import test from "node:test";
import { settle } from "#test/support/clock.ts";
import { SyncGate } from "./syncgate.ts";

function controlled() {
  const running: { resolve: () => void; reject: (why: Error) => void }[] = [];
  const gate = new SyncGate(() => new Promise<void>((resolve, reject) => running.push({ resolve, reject })));
  return { gate, running };
}

test("who comes while a sync runs shares the next one, because the running one may not cover them", async () => {
  const { gate, running } = controlled();
  const done: string[] = [];
  const pass = (name: string) => gate.pass().then(() => done.push(name));
  const all = [pass("a"), pass("b"), pass("c")];
  assert.equal(running.length, 1);
  running[0]?.resolve();
  await settle();
  assert.deepEqual(done, ["a"]);
  assert.equal(running.length, 2);
  all.push(pass("d"));
  running[1]?.resolve();
  await settle();
  assert.deepEqual(done, ["a", "b", "c"]);
  running[2]?.resolve();
  await Promise.all(all);
  assert.equal(running.length, 3);
});

test("a failed sync fails those it was for, and not the next ones", async () => {
  const { gate, running } = controlled();
  const first = assert.rejects(gate.pass(), /broken/);
  const second = gate.pass();
  running[0]?.reject(new Error("broken"));
  await first;
  await settle();
  running[1]?.resolve();
  await second;
  const third = gate.pass();
  running[2]?.resolve();
  await third;
});
