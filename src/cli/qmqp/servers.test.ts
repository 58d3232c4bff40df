import assert from "node:assert/strict";
import test from "node:test";
import { parseServer, parseServers } from "./servers.ts";

for (const [text, address, port] of [
  ["192.0.2.1", "192.0.2.1", 628],
  ["192.0.2.1:1628", "192.0.2.1", 1628],
  ["2001:db8::1", "2001:db8::1", 628],
  ["[2001:db8::1]:1628", "2001:db8::1", 1628],
] as const)
  test(`parseServer() reads ${text}`, () => assert.deepEqual(parseServer(text), { address, port }));

for (const text of [
  "mail.example.org",
  "192.0.2.1:",
  "192.0.2.1:0",
  "192.0.2.1:65536",
  "[192.0.2.1",
  "1.2.3",
  "",
])
  test(`parseServer() refuses ${text || "nothing"}`, () => assert.equal(parseServer(text), undefined));

test("parseServers() reads control/qmqpservers", () => {
  const found = parseServers("# mine\n192.0.2.1\n\n  192.0.2.2:1628  \nmail.example.org\n192.0.2.3");
  assert.deepEqual(
    found.map(({ address, port }) => `${address} ${port}`),
    ["192.0.2.1 628", "192.0.2.2 1628", "192.0.2.3 628"],
  );
});
