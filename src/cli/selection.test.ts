import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import type { QueuedMessage } from "#talk/queuecontrol.ts";
import { Refusal } from "./exit.ts";
import { listingOf } from "./listing.ts";
import { selectionOf } from "./selection.ts";

const call = (args: readonly string[], options: Readonly<Record<string, unknown>> = {}) => ({
  directory: "/d",
  given: undefined,
  json: false,
  args,
  options,
});

const NOW = 1_000_000_000;

test("selectionOf() reads ids and filters", () => {
  const rows = [
    [[], {}, {}],
    [["1-1", "1-2"], {}, { ids: ["1-1", "1-2"] }],
    [[], { sender: "<ann@a.test>", recipient: "@B.test" }, { sender: "ann@a.test", recipient: "@B.test" }],
    [[], { sender: "<>" }, { sender: "" }],
    [[], { sender: "" }, { sender: "" }],
    [[], { age: "2h" }, { before: NOW - 7_200_000 }],
    [[], { age: "100000d" }, { before: 0 }],
    [[], { status: "held" }, { state: "held" }],
  ] as const;
  for (const [args, options, wanted] of rows)
    assert.deepEqual(selectionOf(call(args, options), NOW), wanted, JSON.stringify(options));
});

test("selectionOf() refuses what it cannot understand", () => {
  const rows: readonly (readonly [readonly string[], Readonly<Record<string, unknown>>])[] = [
    [["x".repeat(65)], {}],
    [Array.from({ length: 1001 }, (_, n) => `1-${n}`), {}],
    [[], { recipient: "" }],
    [[], { recipient: "<>" }],
    [[], { recipient: "@" }],
    [[], { sender: "a b@c.test" }],
    [[], { sender: `${"a".repeat(511)}@b` }],
    [[], { age: "soon" }],
    [[], { status: "lost" }],
  ];
  for (const [args, options] of rows)
    assert.throws(() => selectionOf(call(args, options), NOW), Refusal, JSON.stringify(options));
});

const message: QueuedMessage = {
  id: "mjuohs01-1",
  sender: "ann@a.test",
  state: "held",
  size: 1234,
  arrived: new Date(2026, 0, 5, 3, 4, 5).getTime(),
  recipients: [
    { address: "b@b.test", state: "waiting", attempts: 1, next: 0, status: "4.4.1", reason: "no answer" },
    {
      address: "c\u001b@b.test",
      state: "waiting",
      attempts: 1,
      next: 0,
      status: "4.4.1",
      reason: "no answer",
    },
    { address: "d@b.test", state: "relayed", attempts: 1, next: 0, status: "2.0.0", reason: "250 ok" },
  ],
};

/** What a listing of these messages prints. */
function printed(context: TestContext, format: string, messages: readonly QueuedMessage[]): string {
  let out = "";
  const write = context.mock.method(process.stdout, "write", (text: string | Uint8Array) => {
    out += String(text);
    return true;
  });
  const listing = listingOf(format === "json", format === "json" ? undefined : format);
  for (const each of messages) listing.message(each);
  listing.end();
  write.mock.restore();
  return out;
}

test("mailq's listing has Postfix's columns, and each reason once", (context) => {
  const lines = printed(context, "mailq", [message]).split("\n");
  assert.deepEqual(lines, [
    "-Queue ID-        --Size-- ---Arrival Time---- --Sender/Recipient------",
    "mjuohs01-1!           1234 Mon Jan 05 03:04:05 ann@a.test",
    `${"(no answer)".padStart(78)}`,
    `${" ".repeat(46)} b@b.test`,
    `${" ".repeat(46)} c?@b.test`,
    "",
    "-- 2 Kbytes in 1 Request.",
    "",
  ]);
  assert.equal(printed(context, "mailq", []), "Mail queue is empty\n");
  const bounce = printed(context, "mailq", [{ ...message, sender: "", state: "running" }]);
  assert.match(bounce, /^mjuohs01-1\* .* MAILER-DAEMON$/m);
});

test("qmail's listing is in GMT, with what is done", (context) => {
  const arrived = Date.UTC(2026, 0, 5, 3, 4, 5);
  assert.equal(
    printed(context, "qmail", [{ ...message, arrived }]),
    "5 Jan 2026 03:04:05 GMT  #mjuohs01-1  1234  <ann@a.test> \n\tremote\tb@b.test\n\tremote\tc?@b.test\n  done\tremote\td@b.test\n",
  );
});

test("a list for programs is one array, whatever its length", (context) => {
  assert.deepEqual(JSON.parse(printed(context, "json", [])), []);
  assert.deepEqual(JSON.parse(printed(context, "json", [message, message])), [message, message]);
});

test("a format that nobody knows is refused", () => {
  for (const format of ["xml", "toString", ""]) assert.throws(() => listingOf(false, format), Refusal);
});
