import assert from "node:assert/strict";
import test from "node:test";
import type { Entry, Task } from "./entries.ts";
import type { Reached } from "./lane.ts";
import { type Flight, type LaneLimits, Lanes } from "./lanes.ts";

const MINUTE = 60_000;

interface Mail {
  readonly sender?: string;
  readonly priority?: number;
}

/** Lanes with a clock of their own; everything remote. */
class Road {
  now = 1_000_000;
  limits: LaneLimits = { local: 10, remote: 20, destination: { start: 2, most: 8 } };
  readonly lanes = new Lanes({ limits: () => this.limits, now: () => this.now });
  #slots = 0;

  put(domain: string, count: number, { sender = "s@x.test", priority }: Mail = {}): (number | undefined)[] {
    return Array.from({ length: count }, () => {
      const envelope = { sender, ...(priority === undefined ? {} : { priority }) };
      const entry = { slot: this.#slots++, envelope } as unknown as Entry;
      return this.lanes.put(domain, { entry, domain } as unknown as Task);
    });
  }

  /** All that may go now. */
  go(): Flight[] {
    const flights: Flight[] = [];
    for (let flight = this.lanes.next(); flight; flight = this.lanes.next()) flights.push(flight);
    return flights;
  }

  land(flights: readonly Flight[], reached: Reached) {
    return flights.map((flight) => this.lanes.done(flight, reached));
  }
}

const domains = (flights: readonly Flight[]): readonly string[] => flights.map(({ lane }) => lane.domain);
const senders = (flights: readonly Flight[]): readonly string[] =>
  flights.map(({ task }) => task.entry.envelope.sender);

test("T2: the window of a destination starts small, doubles while mail is taken, and has a bound", () => {
  const road = new Road();
  road.put("a.test", 100);
  const rounds: number[] = [];
  for (let round = 0; round < 4; round++) {
    const flights = road.go();
    rounds.push(flights.length);
    road.land(flights, "taken");
  }
  assert.deepEqual(rounds, [2, 4, 8, 8]);
});

test("T3: the window halves when mail is put off, once for all that were under way, never below one; then it grows by one a round", () => {
  const road = new Road();
  road.put("a.test", 1000);
  for (let round = 0; round < 3; round++) road.land(road.go(), "taken");
  const sizes: number[] = [];
  for (const reached of [
    "deferred",
    "deferred",
    "deferred",
    "deferred",
    "taken",
    "taken",
    "taken",
  ] as const) {
    const flights = road.go();
    sizes.push(flights.length);
    road.now += 1000;
    road.land(flights, reached);
  }
  assert.deepEqual(sizes, [8, 4, 2, 1, 1, 2, 3]);
});

test("T4: a destination that cannot be reached is left alone; then one attempt speaks for all, and who was sent away is called back", () => {
  const road = new Road();
  road.put("dead.test", 5);
  const [first, second] = road.go();
  assert.ok(first && second);
  road.now += 1000;
  const { away } = road.lanes.done(first, "unreachable");
  assert.deepEqual(
    away.map(([task]) => task.entry.slot),
    [2, 3, 4],
  );
  for (const [, until] of away) assert.ok(until >= first.lane.until && until > road.now, `${until}`);
  // the other one was under way at the same time: it makes nothing worse
  const { until } = first.lane;
  road.lanes.done(second, "unreachable");
  assert.equal(first.lane.until, until);
  assert.ok((road.put("dead.test", 1)[0] ?? 0) >= until);
  assert.deepEqual(road.go(), []);
  road.now = until;
  assert.deepEqual(road.put("dead.test", 1), [undefined]);
  assert.ok((road.put("dead.test", 1)[0] ?? 0) > road.now, "a second one waits for what the first finds");
  const probes = road.go();
  assert.equal(probes.length, 1);
  const landed = road.land(probes, "unreachable")[0];
  assert.deepEqual(landed?.recalled, []);
  assert.ok(first.lane.until > road.now);
  road.now = first.lane.until;
  road.put("dead.test", 1);
  const recalled = road.land(road.go(), "taken")[0]?.recalled;
  assert.deepEqual([...(recalled ?? [])].sort(), [2, 3, 4, 5, 7]);
  assert.deepEqual(road.put("dead.test", 1), [undefined]);
});

test("T4: back-off grows, up to two hours", () => {
  const road = new Road();
  const waits: number[] = [];
  for (let attempt = 0; attempt < 40; attempt++) {
    road.put("dead.test", 1);
    const [flight] = road.go();
    assert.ok(flight);
    road.lanes.done(flight, "unreachable");
    waits.push(flight.lane.until - road.now);
    road.now = flight.lane.until;
  }
  assert.deepEqual(waits.slice(0, 3), [400_000, 1_200_000, 2_000_000]);
  assert.equal(waits.at(-1), 120 * MINUTE);
  assert.deepEqual(
    waits,
    [...waits].sort((a, b) => a - b),
  );
});

test("T5: senders go by turns: a thousand of one do not delay another's", () => {
  const road = new Road();
  road.limits = { ...road.limits, destination: { start: 4, most: 4 } };
  road.put("a.test", 1000, { sender: "bulk@x.test" });
  road.put("a.test", 2, { sender: "ann@x.test" });
  road.put("a.test", 1, { sender: "" });
  assert.deepEqual(senders(road.go()), ["bulk@x.test", "ann@x.test", "", "bulk@x.test"]);
  // and in local's lane
  road.put("", 1000, { sender: "bulk@x.test" });
  road.put("", 1, { sender: "ann@x.test" });
  assert.deepEqual(senders(road.go()).slice(0, 2), ["bulk@x.test", "ann@x.test"]);
});

test("T5: mail of one sender keeps its order, thousands of it", () => {
  const road = new Road();
  road.limits = { ...road.limits, destination: { start: 1, most: 1 } };
  road.put("a.test", 2500);
  const slots: number[] = [];
  for (let n = 0; n < 2500; n++) {
    const flights = road.go();
    slots.push(...flights.map(({ task }) => task.entry.slot));
    road.land(flights, "taken");
  }
  assert.deepEqual(
    slots,
    Array.from({ length: 2500 }, (_, n) => n),
  );
});

test("T6: destinations go by turns", () => {
  const road = new Road();
  road.limits = { ...road.limits, remote: 4, destination: { start: 4, most: 4 } };
  road.put("bulk.test", 1000);
  road.put("b.test", 1);
  road.put("c.test", 1);
  assert.deepEqual(
    domains(road.go()),
    ["bulk.test", "b.test", "c.test"],
    "three quarters for those nobody knows",
  );
});

test("T8: destinations that are silent or slow hold at most half, with unknown ones three quarters; the rest is for quick ones", () => {
  const road = new Road();
  road.put("quick.test", 1);
  road.land(road.go(), "taken");
  const usual = road.limits;
  road.limits = { ...usual, remote: 100 };
  for (let n = 0; n < 30; n++) road.put(`slow${n}.test`, 1);
  const learned = road.go();
  assert.equal(learned.length, 30);
  road.now += 31_000;
  road.land(learned, "taken");
  road.limits = usual;
  for (let n = 0; n < 30; n++) road.put(`slow${n}.test`, 5);
  const slow = road.go();
  assert.equal(slow.length, 10);
  for (let n = 0; n < 30; n++) road.put(`new${n}.test`, 5);
  const fresh = road.go();
  assert.equal(fresh.length, 5);
  road.put("quick.test", 10);
  assert.deepEqual(domains(road.go()), ["quick.test", "quick.test", "quick.test"]);
});

test("T7: the most urgent mail goes first, but one start in eight is for the others", () => {
  const road = new Road();
  road.limits = { ...road.limits, remote: 1, destination: { start: 1, most: 1 } };
  road.put("a.test", 100, { sender: "low@x.test", priority: -9 });
  road.put("b.test", 100, { sender: "middle@x.test" });
  road.put("c.test", 100, { sender: "high@x.test", priority: 9 });
  const order: string[] = [];
  for (let n = 0; n < 32; n++) {
    const flights = road.go();
    order.push(...senders(flights).map((sender) => sender[0] ?? ""));
    road.land(flights, "taken");
  }
  const eight = (other: string) => `hhhhhhh${other}`;
  assert.equal(order.join(""), [eight("m"), eight("l"), eight("m"), eight("l")].join(""));
});

test("T9: what was learned of a destination is forgotten when it had no mail for five minutes", () => {
  const road = new Road();
  road.put("a.test", 14);
  for (let round = 0; round < 3; round++) road.land(road.go(), "taken");
  road.now += 4 * MINUTE;
  road.put("a.test", 8);
  const flights = road.go();
  assert.equal(flights.length, 8);
  road.land(flights, "taken");
  road.now += 5 * MINUTE;
  road.put("a.test", 8);
  assert.equal(road.go().length, 2);
});

test("T1: with a concurrency of zero nothing begins", () => {
  const road = new Road();
  road.limits = { ...road.limits, local: 0, remote: 0 };
  road.put("a.test", 1);
  road.put("", 1);
  assert.deepEqual(road.go(), []);
  road.limits = { ...road.limits, local: 1, remote: 1 };
  assert.equal(road.go().length, 2);
});
