import assert from "node:assert/strict";
import test from "node:test";
import { type Options, parseOptions } from "./options.ts";
import { Ending } from "./sysexits.ts";

/** Who calls, with which words, and what they mean beside the standard. */
const rows: readonly (readonly [who: string, words: string, meaning: Partial<Options>])[] = [
  [
    "cron",
    "-FCronDaemon -i -B8BITMIME -oem root",
    { name: "CronDaemon", dotEnds: false, recipients: ["root"] },
  ],
  ["PHP", "-t -i", { readHeader: true, dotEnds: false }],
  ["PHP with -f", "-t -i -fann@x.test", { readHeader: true, dotEnds: false, sender: "ann@x.test" }],
  ["git send-email", "-i a@x.test b@x.test", { dotEnds: false, recipients: ["a@x.test", "b@x.test"] }],
  [
    "mutt",
    "-oem -oi -f ann@x.test -- -b@x.test",
    { dotEnds: false, sender: "ann@x.test", recipients: ["-b@x.test"] },
  ],
  [
    "mutt with DSN",
    "-oem -oi -N failure,delay -R hdrs -- b",
    {
      dotEnds: false,
      notify: ["failure", "delay"],
      ret: "headers",
      recipients: ["b"],
    },
  ],
  ["a cluster", "-tif ann@x.test", { readHeader: true, dotEnds: false, sender: "ann@x.test" }],
  ["the null sender", "-f <> b", { sender: "", recipients: ["b"] }],
  ["-bs", "-bs", { mode: "smtp" }],
  ["-bp", "-bp", { mode: "list" }],
  ["-bi", "-bi", { mode: "aliases" }],
  ["-q with an interval", "-q30m", { mode: "flush" }],
  ["-r -v -G -N never -V id", "-r ann -v -G -N NEVER -V id", { sender: "ann", notify: [], envid: "id" }],
  ["-O", "-OIgnoreDots=true -O DeliveryMode=b b", { dotEnds: false, recipients: ["b"] }],
  ["an option behind a recipient", "b -i", { dotEnds: false, recipients: ["b"] }],
  ["--dir", "--dir /x b", { directory: "/x", recipients: ["b"] }],
];

const standard = parseOptions([]);

for (const [who, words, meaning] of rows) {
  test(`parseOptions() understands ${who}: ${words}`, () => {
    assert.deepEqual(parseOptions(words.split(" ")), { ...standard, ...meaning });
  });
}

for (const words of ["-f", "-bd", "-bv", "-bx", "-N sometimes", "-R half", "-Z", "-tZ", "--help", "-V ä"]) {
  test(`parseOptions() refuses ${words} with EX_USAGE`, () => {
    assert.throws(
      () => parseOptions(words.split(" ")),
      (thrown) => thrown instanceof Ending && thrown.code === 64,
    );
  });
}
