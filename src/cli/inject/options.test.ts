import assert from "node:assert/strict";
import test from "node:test";
import { Ending } from "../sendmail/sysexits.ts";
import { type Options, parseOptions, readEnvironment, type Surroundings } from "./options.ts";

const standard = parseOptions([]);

const rows: readonly (readonly [words: string, meaning: Partial<Options>])[] = [
  ["", {}],
  ["-a", { recipients: "named" }],
  ["-h", { recipients: "header" }],
  ["-H", { recipients: "both" }],
  ["-a -A", { recipients: "either" }],
  ["-n", { print: true }],
  ["-nN", { print: false }],
  ["-nafann@x.test bob -n", { print: true, recipients: "named", sender: "ann@x.test", named: ["bob", "-n"] }],
  ["-f ann -- -b", { sender: "ann", named: ["-b"] }],
  ["--dir /x -", { directory: "/x", named: ["-"] }],
  ["--dir=/x", { directory: "/x" }],
];

for (const [words, meaning] of rows) {
  test(`parseOptions() of inject understands ${words || "nothing"}`, () => {
    assert.deepEqual(parseOptions(words.split(" ").filter((word) => word !== "")), {
      ...standard,
      ...meaning,
    });
  });
}

for (const words of ["-t", "-f", "--help", "-nx", "--dir"]) {
  test(`parseOptions() of inject refuses ${words}`, () => {
    assert.throws(() => parseOptions(words.split(" ")), Ending);
  });
}

const around = readEnvironment({});

const environments: readonly (readonly [environment: Record<string, string>, said: Partial<Surroundings>])[] =
  [
    [{}, { user: "anonymous", senderUser: "anonymous" }],
    [{ LOGNAME: "l" }, { user: "l", senderUser: "l" }],
    [
      { LOGNAME: "l", USER: "u" },
      { user: "u", senderUser: "u" },
    ],
    [
      { USER: "u", MAILUSER: "m" },
      { user: "m", senderUser: "m" },
    ],
    [
      { MAILUSER: "m", QMAILUSER: "q" },
      { user: "q", senderUser: "q" },
    ],
    [
      { QMAILUSER: "q", QMAILSUSER: "s" },
      { user: "q", senderUser: "s" },
    ],
    [{ MAILHOST: "m" }, { host: "m", senderHost: "m" }],
    [
      { MAILHOST: "m", QMAILHOST: "q", QMAILSHOST: "s" },
      { host: "q", senderHost: "s" },
    ],
    [{ NAME: "n" }, { name: "n" }],
    [{ NAME: "n", MAILNAME: "m" }, { name: "m" }],
    [{ MAILNAME: "m", QMAILNAME: "" }, { name: "" }],
    [{ NAME: "n\r\nBcc: x" }, { name: "n Bcc: x" }],
    [{ NAME: "ä" }, { name: "\xc3\xa4" }],
    [{ QMAILINJECT: "cx" }, { letters: new Set(["c", "x"]) }],
  ];

for (const [environment, said] of environments) {
  test(`readEnvironment() reads ${JSON.stringify(environment)}`, () => {
    assert.deepEqual(readEnvironment(environment), { ...around, ...said });
  });
}
