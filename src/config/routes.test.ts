import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import test from "node:test";
import { messageOf } from "#base/problem.ts";
import { temporaryDirectory } from "#test/support/temporary.ts";
import { sliceFor } from "./cut.ts";
import { readConfig } from "./load.ts";

const config = (...lines: readonly string[]) =>
  readConfig(
    ['hostname = "mail.a.test"', "[remote]", 'source_address = "192.0.2.1"', "[[route]]", ...lines].join(
      "\n",
    ),
  );

test("a route reaches remote with what it leaves out, and its password from its file", (context) => {
  const directory = temporaryDirectory(context);
  mkdirSync(`${directory}/secrets`);
  writeFileSync(`${directory}/secrets/relay`, "s3 cret\nmore\n");
  const read = config(
    'recipients = ["example.net", ".example.net"]',
    'host = "relay.test:587"',
    'tls = "verify"',
    'user = "us"',
    'password_file = "secrets/relay"',
  );
  assert.ok(read.ok);
  assert.deepEqual(sliceFor("remote", read.value, directory).routes, [
    {
      recipients: ["example.net", ".example.net"],
      senders: [],
      host: "relay.test:587",
      protocol: "smtp",
      tls: "verify",
      user: "us",
      password: "s3 cret",
      hello: "mail.a.test",
      sourceAddress: "192.0.2.1",
    },
  ]);
  for (const bytes of ["", "\nlater", "a\0b"]) {
    writeFileSync(`${directory}/secrets/relay`, bytes);
    assert.throws(
      () => sliceFor("remote", read.value, directory),
      (thrown) =>
        messageOf(thrown) === 'Cannot use route.password_file "secrets/relay": its first line is no password',
    );
  }
});

test("what does not go together in a route is said", () => {
  const rows: readonly [lines: readonly string[], problem: RegExp | undefined][] = [
    [['host = "relay.test"'], undefined],
    [['tls = "verify"', 'senders = ["<>", "ann@a.test", ".b.test"]'], undefined],
    [['host = "unix:/run/lmtp"', 'protocol = "lmtp"'], undefined],
    [['host = "127.0.0.1:26"', 'user = "x"', 'password_file = "f"'], undefined],
    [['protocol = "lmtp"'], /"route\.protocol": exchangers in DNS speak no LMTP/],
    [['host = "unix:/run/lmtp"'], /"route\.host": a socket of this machine takes protocol = "lmtp"/],
    [['host = "relay.test"', 'user = "x"'], /"route\.user": a user needs a password_file/],
    [['host = "relay.test"', 'password_file = "x"'], /"route\.user": a user needs a password_file/],
    [['tls = "verify"', 'user = "x"', 'password_file = "f"'], /"route\.user": a login is for one host/],
    [['host = "relay.test"', 'user = "x"', 'password_file = "f"'], /"route\.tls": a password goes out only/],
    [
      ['host = "unix:/l"', 'protocol = "lmtp"', 'tls = "verify"'],
      /"route\.tls": a socket of this machine proves/,
    ],
    [['host = "a b"'], /"route\.host": expected "host"/],
    [['recipients = ["*.a.test"]'], /"route\.recipients/],
    [['senders = ["a b@c"]'], /"route\.senders/],
  ];
  for (const [lines, problem] of rows) {
    const read = config(...lines);
    const text = read.ok ? "" : read.error.join("\n");
    if (problem) assert.match(text, problem, lines.join(" "));
    else assert.equal(text, "", lines.join(" "));
  }
});
