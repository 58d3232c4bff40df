import assert from "node:assert/strict";
import test from "node:test";
import { Networks } from "#base/network.ts";
import { FakeClock } from "#test/support/clock.ts";
import { Admission, type EntranceBounds, Rates } from "./admission.ts";

const open: EntranceBounds = {
  connections: 1000,
  perAddress: 1000,
  perNetwork: 1000,
  ratePerAddress: 0,
  ratePerNetwork: 0,
};

function admission(connections = 1000, exempt: readonly string[] = []) {
  const clock = new FakeClock();
  return { clock, all: new Admission(clock, () => ({ connections, exempt: new Networks(exempt) })) };
}

test("Admission counts all listeners together, each listener for itself", () => {
  const { all } = admission(3);
  const [one, two] = [all.entrance(() => ({ ...open, connections: 2 })), all.entrance(() => open)];
  assert.deepEqual(
    [one.enter("10.0.0.1"), one.enter("10.0.0.2"), one.enter("10.0.0.3")],
    [undefined, undefined, "listener"],
  );
  assert.deepEqual([two.enter("10.0.0.1"), two.enter("10.0.0.2")], [undefined, "connections"]);
  one.leave("10.0.0.1");
  assert.equal(two.enter("10.0.0.2"), undefined);
  assert.equal(one.enter("10.0.0.3"), "connections");
});

test("Admission counts addresses and networks over all listeners, against the bounds of the one that is asked", () => {
  const { all } = admission();
  const strict = all.entrance(() => ({ ...open, perAddress: 2, perNetwork: 3 }));
  const lax = all.entrance(() => open);
  assert.equal(lax.enter("192.0.2.1"), undefined);
  assert.equal(strict.enter("192.0.2.1"), undefined);
  assert.equal(strict.enter("192.0.2.1"), "address");
  assert.equal(lax.enter("192.0.2.1"), undefined);
  assert.equal(strict.enter("192.0.2.2"), "network");
  assert.equal(strict.enter("192.0.3.2"), undefined);
  lax.leave("192.0.2.1");
  lax.leave("192.0.2.1");
  assert.equal(strict.enter("192.0.2.2"), undefined);
  assert.equal(strict.enter("2001:db8::1"), undefined);
  assert.equal(strict.enter("2001:db8::2"), undefined);
  assert.equal(strict.enter("2001:db8:0:0:9::2"), undefined);
  assert.equal(strict.enter("2001:db8::4"), "network");
  assert.equal(strict.enter("2001:db8:0:1::4"), undefined);
});

test("Admission forgets who has left", () => {
  const { all } = admission();
  const entrance = all.entrance(() => ({ ...open, perAddress: 1 }));
  for (let round = 0; round < 3; round++) {
    assert.equal(entrance.enter("192.0.2.1"), undefined);
    assert.equal(entrance.enter("192.0.2.1"), "address");
    entrance.leave("192.0.2.1");
  }
  assert.equal(all.count, 0);
});

test("Admission bounds new connections of a minute; what was refused does not count", async () => {
  const { all, clock } = admission();
  const entrance = all.entrance(() => ({ ...open, ratePerAddress: 3, ratePerNetwork: 5 }));
  const enter = (address: string) => {
    const why = entrance.enter(address);
    if (!why) entrance.leave(address);
    return why;
  };
  for (let count = 0; count < 3; count++) assert.equal(enter("192.0.2.1"), undefined);
  for (let count = 0; count < 100; count++) assert.equal(enter("192.0.2.1"), "addressRate");
  for (let count = 0; count < 2; count++) assert.equal(enter("192.0.2.2"), undefined);
  assert.equal(enter("192.0.2.2"), "networkRate");
  assert.equal(enter("192.0.3.2"), undefined);
  await clock.advance(19_000);
  assert.equal(enter("192.0.2.1"), "addressRate");
  await clock.advance(2000);
  assert.equal(enter("192.0.2.1"), undefined);
  await clock.advance(120_000);
  for (let count = 0; count < 3; count++) assert.equal(enter("192.0.2.1"), undefined);
  assert.equal(enter("192.0.2.1"), "addressRate");
});

test("Admission counts exempt networks for each address only", () => {
  const { all } = admission(1000, ["192.0.2.0/24"]);
  const bounds = { ...open, perAddress: 5, perNetwork: 2, ratePerAddress: 1, ratePerNetwork: 1 };
  const entrance = all.entrance(() => bounds);
  for (let count = 0; count < 5; count++) assert.equal(entrance.enter("192.0.2.1"), undefined);
  assert.equal(entrance.enter("192.0.2.1"), "address");
  assert.equal(entrance.enter("192.0.2.2"), undefined);
  assert.equal(entrance.enter("192.0.3.1"), undefined);
  assert.equal(entrance.enter("192.0.3.1"), "addressRate");
});

test("Admission counts a proxied connection at once, and for its address when that is known", () => {
  const { all } = admission(2);
  const entrance = all.entrance(() => ({ ...open, perAddress: 1 }));
  assert.equal(entrance.enter(undefined), undefined);
  assert.equal(entrance.enter(undefined), undefined);
  assert.equal(entrance.enter(undefined), "connections");
  assert.equal(entrance.identify("192.0.2.1"), undefined);
  assert.equal(entrance.identify("192.0.2.1"), "address");
  entrance.leave("192.0.2.1");
  entrance.leave(undefined);
  assert.equal(all.count, 0);
  assert.equal(entrance.enter("192.0.2.1"), undefined);
});

test("Rates keep a bounded number of keys, and none that is over", async () => {
  const clock = new FakeClock();
  const rates = new Rates(clock, 100);
  for (let key = 0; key < 1000; key++) rates.count(`key${key}`, 1);
  assert.equal(rates.size, 100);
  assert.ok(rates.exceeds("key999", 1));
  assert.ok(!rates.exceeds("key0", 1));
  await clock.advance(61_000);
  for (let key = 0; key < 100; key++) rates.count(`more${key}`, 600);
  assert.equal(rates.size, 100);
  await clock.advance(1000);
  rates.count("last", 1);
  assert.ok(rates.size <= 99);
});
