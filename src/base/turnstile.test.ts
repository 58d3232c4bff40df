import assert from "node:assert/strict";
import test from "node:test";
import { Turnstile } from "./turnstile.ts";

test("no more than so many are inside, all come through in their order, and what fails lets the next one in", async () => {
  const turnstile = new Turnstile(3);
  let inside = 0;
  let most = 0;
  const began: number[] = [];
  const work = (n: number) =>
    turnstile.pass(async () => {
      began.push(n);
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setImmediate(resolve));
      inside--;
      if (n % 4 === 0) throw new Error(`${n}`);
      return n;
    });
  const numbers = Array.from({ length: 20 }, (_, n) => n);
  const results = await Promise.allSettled(numbers.map(work));
  assert.deepEqual(began, numbers);
  assert.equal(most, 3);
  assert.equal(results.filter(({ status }) => status === "rejected").length, 5);
  assert.equal(await work(21), 21);
});
