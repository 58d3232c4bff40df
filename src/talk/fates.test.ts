import assert from "node:assert/strict";
import path from "node:path";
import test from "node:test";
import { systemClock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import type { Fate } from "#policy/replay/fate.ts";
import { temporaryDirectory } from "#test/support/temporary.ts";
import { answerVerbs, on } from "./answerer.ts";
import { FateTeller } from "./fates.ts";
import { became } from "./recall.ts";

const fate = (of: number): Fate => ({ mail: "abcdefgh-1", of, fate: "delivered" });

test("fates are told together, and again when the ledger could not hear; closing tells what is left", async (context) => {
  const at = path.join(temporaryDirectory(context), "ledger.sock");
  const heard: (readonly Fate[])[] = [];
  let sorry = true;
  const verb = on(became, ({ fates }) => {
    if (sorry) throw new Error("the disk is away");
    heard.push(fates);
    return {};
  });
  const answering = await answerVerbs(at, [verb], { trouble: () => {} });
  context.after(() => answering.close());
  const troubles: string[] = [];
  const trouble = (text: string) => void troubles.push(text);
  const teller = new FateTeller({ path: at, clock: systemClock, trouble });
  for (let of = 0; of < 3; of++) teller.tell(fate(of));
  await new Promise((resolve) => setTimeout(resolve, limits.ledger.fatesGather + 300));
  assert.deepEqual([heard.length, troubles.length], [0, 1]);
  sorry = false;
  teller.tell(fate(3));
  await teller.close();
  assert.deepEqual(heard, [[0, 1, 2, 3].map(fate)]);
});

test("without a ledger nothing waits, and no more is kept than is allowed", async (context) => {
  const at = path.join(temporaryDirectory(context), "nobody.sock");
  const teller = new FateTeller({ path: at, clock: systemClock, trouble: () => {} });
  for (let of = 0; of < 2 * limits.ledger.fatesWaiting; of++) teller.tell(fate(of));
  const began = performance.now();
  await teller.close();
  assert.ok(performance.now() - began < limits.ledger.away + 500);
});
