// What tests of whole sessions share: a client that says things and hears what comes back, and one that has logged in.

import assert from "node:assert/strict";
import { settle } from "#test/support/clock.ts";
import type { MemoryClient } from "#test/support/memory.ts";
import type { World } from "./world.ts";

export const HELLO = "EHLO c.test\r\n";
export const TO_RCPT = `${HELLO}MAIL FROM:<b@far.test>\r\nRCPT TO:<ann@example.test>\r\n`;
export const TO_DATA = `${TO_RCPT}DATA\r\n`;
const LOGIN = `AUTH PLAIN ${Buffer.from("\0ann@example.test\0secret").toString("base64")}\r\n`;

/** All that the server has said and not been asked for. */
export async function heard(client: MemoryClient): Promise<string> {
  await settle();
  return client.drain().toString("latin1");
}

export async function say(client: MemoryClient, text: string | Buffer): Promise<string> {
  client.send(text);
  return heard(client);
}

/** A submission session that has logged in. */
export async function submission(world: World): Promise<MemoryClient> {
  const { client } = world.connect();
  await client.secure();
  assert.match(await say(client, HELLO + LOGIN), /235 2\.7\.0/);
  return client;
}
