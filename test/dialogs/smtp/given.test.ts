// What tcprules give a client in a session: a wait before its greeting, and the size of its messages.

import assert from "node:assert/strict";
import test from "node:test";
import { Judge, judgingBy } from "#policy/judge.ts";
import { settle } from "#test/support/clock.ts";
import { standardPolicy } from "#test/support/listeners.ts";
import type { MemoryClient } from "#test/support/memory.ts";
import { type Given, policyWorld } from "#test/support/policyworld.ts";
import { TableResolver } from "#test/support/table.ts";
import { heard, say, TO_DATA } from "./clients.ts";
import { World } from "./world.ts";

/** The client is 192.0.2.7 and calls itself c.test. */
function site(given: Partial<Given>, greetDelay = 0): World {
  const world = new World();
  const { clock } = world;
  const zones = {
    "7.2.0.192.in-addr.arpa": { PTR: ["c.test"] },
    "c.test": { A: ["192.0.2.7"] },
    "far.test": { MX: ["10 c.test"] },
  };
  const rules = policyWorld({ clock, resolver: new TableResolver(zones), ...given });
  const options = {
    world: rules,
    ...judgingBy(standardPolicy),
    trouble: (text: string) => assert.fail(text),
  };
  Object.assign(world.peers, { judge: (address: string) => new Judge(options, address) });
  Object.assign(world.door, { greetDelay });
  return world;
}

/** One command after the other: who does not wait for EHLO's answer speaks too early. */
async function toData(client: MemoryClient): Promise<void> {
  let said = "";
  for (const line of TO_DATA.split(/(?<=\n)/)) said = await say(client, line);
  assert.match(said, /^354 /);
}

const known = { meet: async () => ({ ban: undefined, known: true, reputation: 5, guesses: 0 }) };

/** Given; ms of the configuration; ms that the client waits. */
const waits: readonly (readonly [Partial<Given>, number, number])[] = [
  [{}, 0, 0],
  [{}, 3000, 3000],
  [{ variables: { GREETDELAY: "20" } }, 0, 20_000],
  [{ variables: { GREETDELAY: "20" } }, 3000, 20_000],
  [{ variables: { GREETDELAY: "0" } }, 3000, 0],
  [{ variables: { RELIABLECLIENT: "" } }, 3000, 0],
  [{ variables: { RELAYCLIENT: "" } }, 3000, 0],
  [{ memory: known }, 3000, 0],
  // the ledger does not answer: nobody is known, and nobody waits longer for that
  [{ memory: { meet: () => new Promise(() => {}) } }, 3000, 3000],
];

test("the greeting comes after the wait of the configuration or of tcprules, and at once for those we know", async () => {
  for (const [given, standard, wanted] of waits) {
    const world = site(given, standard);
    const { client } = world.connect();
    const what = JSON.stringify([given, standard]);
    if (wanted > 0) {
      await settle();
      await world.clock.advance(wanted - 1);
      assert.equal(await heard(client), "", what);
      await world.clock.advance(2);
    }
    assert.match(await heard(client), /^220 /, what);
  }
});

test("who speaks while it waits speaks too early", async () => {
  const world = site({ variables: { GREETDELAY: "20" } });
  const { client } = world.connect();
  assert.match(await say(client, TO_DATA), /^220 .*\(early-talker\)/s);
});

test("what RELAYCLIENT says is put behind every recipient", async () => {
  for (const [relayClient, wanted] of [
    ["", ["ann@example.test", "x@far.test"]],
    [".relay.test", ["ann@example.test.relay.test", "x@far.test.relay.test"]],
    ["@fix.test", ['"ann@example.test"@fix.test', '"x@far.test"@fix.test']],
  ] as const) {
    const world = site({ variables: { RELAYCLIENT: relayClient } });
    const { client } = world.connect();
    for (const line of ["EHLO c.test", "MAIL FROM:<b@far.test>", "RCPT TO:<ann@example.test>"])
      await say(client, `${line}\r\n`);
    assert.match(await say(client, "RCPT TO:<x@far.test>\r\n"), /^250 /);
    await say(client, "DATA\r\n");
    assert.match(await say(client, "Subject: x\r\n\r\nx\r\n.\r\n"), /^250 2\.0\.0/);
    assert.deepEqual(
      world.messages[0]?.envelope.recipients.map(({ address }) => address),
      wanted,
    );
  }
});

test("DATABYTES makes the largest message smaller, never larger", async () => {
  const message = `From: b@far.test\r\nDate: x\r\n\r\n${"x".repeat(500)}\r\n.\r\n`;
  for (const [dataBytes, wanted] of [
    ["100", /^552 5\.3\.4 /m],
    ["1000", /^250 2\.0\.0 Queued/m],
    ["0", /^250 2\.0\.0 Queued/m],
  ] as const) {
    const { client } = site({ variables: { DATABYTES: dataBytes } }).connect();
    await toData(client);
    assert.match(await say(client, message), wanted, dataBytes);
  }
  const world = site({ variables: { DATABYTES: "1000000" } });
  Object.assign(world.door, { maxSize: 300 });
  const { client } = world.connect();
  await toData(client);
  assert.match(await say(client, message), /^552 5\.3\.4 /m);
});
