// A client that has gone while its commands wait.

import assert from "node:assert/strict";
import test from "node:test";
import { limits } from "#base/limits.ts";
import { settle } from "#test/support/clock.ts";
import { say } from "./clients.ts";
import { World } from "./world.ts";

test("commands of a client that has reset its connection are not worked through", async () => {
  const world = new World();
  const { client } = world.connect();
  let asked = 0;
  Object.assign(world.peers, {
    recipient: async () => {
      if (++asked === 5) client.reset();
      return { kind: "unknown" };
    },
  });
  Object.assign(world.door, { errors: 1000, maxRecipients: 1000 });
  await say(client, "EHLO c.test\r\nMAIL FROM:<a@far.test>\r\n");
  const commands = Array.from({ length: 900 }, (_, at) => `RCPT TO:<u${at}@example.test>\r\n`);
  client.send(commands.join(""));
  await settle(200);
  assert.ok(asked >= 5, "they were begun");
  assert.ok(asked <= 5 + 2 * limits.smtp.lookups, `${asked} of 900 were asked for`);
});
