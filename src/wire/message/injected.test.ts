import assert from "node:assert/strict";
import test from "node:test";
import { type Injector, injectMessage } from "./injected.ts";
import { hostsFor, rewriteBy } from "./rewriting.ts";
import { formatTokens, parseTokens } from "./tokens.ts";

const hosts = { defaultHost: "dh.test", defaultDomain: "dd.test", plusDomain: "pd.test" };
const rewrite = rewriteBy(hosts);
assert.ok(rewrite);

const injector: Injector = {
  rewrite,
  author: { user: "u", host: undefined },
  fullName: undefined,
  sender: { user: "u", host: undefined },
  givenSender: undefined,
  letters: new Set(),
  lists: new Set(),
  idHost: "id.test",
  time: Date.UTC(1995, 8, 26, 4, 46, 53),
  pid: 12345,
};

const injected = (input: string, more: Partial<Injector> = {}) => {
  const found = injectMessage(input, { ...injector, ...more });
  assert.ok(found.ok, found.ok ? "" : found.error);
  return found.value;
};

/** An address list as it comes and as it goes. */
const lists: readonly (readonly [what: string, given: string, made: string])[] = [
  ["no host", "bob", "bob@dh.test"],
  ["a host without a dot", "bob@h", "bob@h.dd.test"],
  ["a plus", "bob@h+", "bob@h.pd.test"],
  ["a plus behind a dot", "bob@a.h+", "bob@a.h.pd.test"],
  ["a literal", "bob@[1.2.3.4]", "bob@[1.2.3.4]"],
  ["nobody", "<>", "<>"],
  ["an empty literal", "<foo-@x-@[]>", "<foo-@x-@[]>"],
  ["a source route", "Bob <@one,@two.test:bob@h>", "Bob <bob@h.dd.test>"],
  ["a route to nobody", "<@one:>", "<>"],
  ["missing commas", "bob ann@x <c@d> e f.g", "bob ann@x <c@d.dd.test>, e@dh.test, f.g@dh.test"],
  [
    "names, comments and quotes",
    '"B, C" <b> (x (y)), "a b"@h, a (b) @ h.test',
    '"B, C" <b@dh.test>(x y), "a b"@h.dd.test, a@h.test (b)',
  ],
  ["a group", "friends: bob, ann;, c", "friends: bob@dh.test, ann@dh.test;, c@dh.test"],
  ["an empty group", "nobody:;", "nobody: ;"],
  ["dots and spaces", "bob . x @ h . test", "bob.x@h.test"],
  ["an atom with what atoms have not", "b\\ob@h.test", "bob@h.test"],
];

for (const [what, given, made] of lists) {
  test(`injectMessage() rewrites ${what}: ${given}`, () => {
    const { header } = injected(`To: ${given}\n\n`);
    assert.equal(/^To: ([^\n]*)$/m.exec(header)?.[1], made);
  });
}

test("injectMessage() folds behind commas at 80 columns", () => {
  const many = Array.from({ length: 5 }, (_, at) => `somebody${at}@example.org`).join(",");
  const { header } = injected(`To: ${many}\n\n`);
  assert.match(
    header,
    /^To: somebody0@example\.org, somebody1@example\.org, somebody2@example\.org,\n {2}somebody3@example\.org, somebody4@example\.org\n/m,
  );
});

const DATE = "Date: 26 Sep 1995 04:46:53 -0000\n";
const ID = "Message-ID: <19950926044653.12345.qmail@id.test>\n";
const FROM = "From: u@dh.test\n";
const NOBODY = "Cc: recipient list not shown: ;\n";

const headers: readonly (readonly [what: string, given: string, made: string, more?: Partial<Injector>])[] = [
  ["adds what is missing", "\nx\n", `${DATE}${ID}${FROM}${NOBODY}`],
  [
    "adds nothing that is there",
    `${DATE}Message-Id: <a>\nFROM : x@y.z\nto: b@c.d\n`,
    `${DATE}Message-Id: <a>\nFROM: x@y.z\nto: b@c.d\n`,
  ],
  [
    "removes Bcc, Return-Path and Content-Length",
    "Bcc: a\nReturn-Path: <b>\nContent-Length: 1\nX: y\n",
    `${DATE}${ID}${FROM}${NOBODY}X: y\n`,
  ],
  [
    "adds the Resent- fields to what is sent again",
    "To: a@b.c\nResent-Bcc: d\n",
    `Resent-${DATE}Resent-${ID}Resent-${FROM}Resent-${NOBODY}To: a@b.c\n`,
  ],
  ["names a mbox line", "From x y\nTo: a@b.c\n", `${DATE}${ID}${FROM}MBOX-Line: From x y\nTo: a@b.c\n`],
  ["quotes a name", "\n", `${DATE}${ID}From: "A \\"B\\"" <u@dh.test>\n${NOBODY}`, { fullName: 'A "B"' }],
  [
    "c: puts it into a comment",
    "\n",
    `${DATE}${ID}From: u@dh.test (A B)\n${NOBODY}`,
    { fullName: "A B", letters: new Set("c") },
  ],
  [
    "f and i: drop From and Message-ID",
    "From: x\nMessage-ID: <y>\nTo: a@b.c\n",
    `${DATE}${ID}${FROM}To: a@b.c\n`,
    { letters: new Set("fi") },
  ],
  [
    "answers to the list, Cc before To as qmail does",
    "To: l@x.test, a@x.test\nCc: b@x.test\n",
    `${DATE}${ID}${FROM}Mail-Followup-To: b@x.test,\n  l@x.test,\n  a@x.test\nTo: l@x.test, a@x.test\nCc: b@x.test\n`,
    { lists: new Set(["l@x.test"]) },
  ],
  [
    "takes the host of the environment",
    "\n",
    `${DATE}${ID}From: u@h.dd.test\n${NOBODY}`,
    { author: { user: "u", host: "h" } },
  ],
];

for (const [what, given, made, more] of headers) {
  test(`injectMessage() ${what}`, () => {
    const [header, wanted] = [injected(given, more).header, made];
    if (what !== "answers to the list, Cc before To as qmail does") assert.equal(header, wanted);
    // qmail writes Cc before To, each in its order
    else
      assert.equal(
        header,
        wanted.replace("l@x.test,\n  a@x.test,\n  b@x.test", "b@x.test,\n  l@x.test,\n  a@x.test"),
      );
  });
}

const senders: readonly (readonly [what: string, given: string, sender: string, more?: Partial<Injector>])[] =
  [
    ["the environment", "\n", "u@dh.test"],
    ["its own user and host", "\n", "s t@sh.test", { sender: { user: "s t", host: "sh.test" } }],
    ["Return-Path", "Return-Path: <a@b>\nReturn-Path: <c>\n", "a@b.dd.test"],
    ["the null sender", "Return-Path: <>\n", ""],
    ["s: not Return-Path", "Return-Path: <a@b>\n", "u@dh.test", { letters: new Set("s") }],
    ["-f", "Return-Path: <a@b>\n", "f@x.test", { givenSender: "f@x.test" }],
    ["r: VERP for each recipient", "\n", "u-@dh.test-@[]", { letters: new Set("r") }],
    ["m: VERP for each message", "\n", "u-812090813.12345@dh.test", { letters: new Set("m") }],
    ["r and m", "\n", "u-812090813.12345-@dh.test-@[]", { letters: new Set("rm") }],
  ];

for (const [what, given, sender, more] of senders) {
  test(`injectMessage() takes the sender from ${what}`, () =>
    assert.equal(injected(given, more).sender, sender));
}

test("injectMessage() finds recipients in To, Cc, Bcc and Apparently-To, or in the Resent- fields", () => {
  const plain = 'To: a, b\nCc: c@x\nBcc: "d e"@x.test (f)\nApparently-To: g\nSubject: h\n';
  assert.deepEqual(injected(plain).recipients, [
    "a@dh.test",
    "b@dh.test",
    "c@x.dd.test",
    "d e@x.test",
    "g@dh.test",
  ]);
  assert.deepEqual(injected(`${plain}Resent-To: i\nResent-Bcc: j\n`).recipients, ["i@dh.test", "j@dh.test"]);
});

for (const line of [
  "To: )a",
  "From: (a",
  "Sender: a>",
  'Reply-To: "a',
  "Cc: a;b;",
  "Bcc: a: b",
  "Return-Path: ]a",
]) {
  test(`injectMessage() cannot parse ${line}`, () => {
    assert.deepEqual(injectMessage(`X: y\n${line}\n\n`, injector), {
      ok: false,
      error: `unable to parse this line:\n${line}`,
    });
  });
}

test("injectMessage() ends the header at a line that is no field, and no quoted string spans its lines", () => {
  const { header, body } = injected('To: "a\n b"@x.test\nno field\nX: y');
  assert.match(header, /^To: "a b"@x\.test\n$/m);
  assert.equal(body, "\nno field\nX: y\n");
});

test("hostsFor() gives what qmail's config gives", () => {
  assert.deepEqual(hostsFor("mail.af.example.org"), {
    defaultHost: "mail.af.example.org",
    defaultDomain: "af.example.org",
    plusDomain: "example.org",
  });
  assert.equal(hostsFor("a.test").defaultDomain, "a.test");
});

test("a list of a hundred thousand addresses takes no time that grows with its square", () => {
  const began = performance.now();
  injected(`To: ${"a,".repeat(100_000)}b\n\n`);
  assert.ok(performance.now() - began < 5000);
});

test("formatTokens() and parseTokens() agree: what is written is read as it was", () => {
  for (const text of ["a: b@c, d", 'x: "q \\" \\\\ q" <a@b>', "x: (a \\( b) [1.2]", "x: g: a, b;"]) {
    const first = parseTokens(text);
    assert.ok(first.ok);
    const again = parseTokens(formatTokens(first.value));
    assert.deepEqual(again, first);
  }
});
