// Headers, addresses and MIME trees: tables, both line ends, and messages made to hurt.

import assert from "node:assert/strict";
import test from "node:test";
import { limits } from "#base/limits.ts";
import { parseAddresses } from "./address.ts";
import { formatBodyStructure, formatEnvelope } from "./bodystructure.ts";
import { decodeWords, firstValue, headerEnd, parseFields, parseParameterized } from "./header.ts";
import { findPart, parseMime } from "./mime.ts";
import { hiddenTexts } from "./text.ts";

const bytes = (text: string) => Buffer.from(text, "latin1");
const crlf = (text: string) => bytes(text.replaceAll("\n", "\r\n"));

test("a header ends behind its empty line", () => {
  const rows: readonly (readonly [string, number])[] = [
    ["", 0],
    ["\n", 1],
    ["\r\n", 2],
    ["A: b", 4],
    ["A: b\n", 5],
    ["A: b\n\nx", 6],
    ["A: b\r\n\r\nx\n\n", 8],
    ["A: b\r\n\nx", 7],
    ["A: b\n\r\nx", 7],
    ["A: b\r\n\r", 7],
  ];
  for (const [text, end] of rows) assert.equal(headerEnd(bytes(text)), end, JSON.stringify(text));
});

test("fields are unfolded; lines that are none are left out", () => {
  const fields = parseFields(bytes("Subject: a\r\n b\r\n\tc\r\nnonsense\r\nTo:x\r\nEmpty:\r\n\r\n"));
  assert.deepEqual(
    fields.map(({ name, value }) => `${name}=${value}`),
    ["Subject=a b\tc", "To=x", "Empty="],
  );
  assert.equal(firstValue(fields, "SUBJECT"), "a b\tc");
  assert.equal(parseFields(bytes("A: b\n".repeat(2000))).length, limits.smtp.headerFields);
});

test("addresses are read as ENVELOPE tells them", () => {
  const shown = (value: string) =>
    parseAddresses(value)
      .map(({ name, mailbox, host }) => `${name ?? "-"}|${mailbox ?? "-"}|${host ?? "-"}`)
      .join(" ");
  const rows: readonly (readonly [string, string])[] = [
    ["a@b.c", "-|a|b.c"],
    ["Ann B <a@b.c>, d@e", "Ann B|a|b.c -|d|e"],
    ['"Ann, B" <a@b.c>', "Ann, B|a|b.c"],
    ["a@b.c (comment (nested))", "-|a|b.c"],
    ["<@x,@y:a@b.c>", "-|a|b.c"],
    ["Team: a@b, c@d;, e@f", "-|Team|- -|a|b -|c|d -|-|- -|e|f"],
    ["undisclosed-recipients:;", "-|undisclosed-recipients|- -|-|-"],
    ['"a b"@c', "-|a b|c"],
    ["", ""],
    [",,,", ""],
  ];
  for (const [value, wanted] of rows) assert.equal(shown(value), wanted, value);
  assert.equal(parseAddresses("a@b,".repeat(5000)).length, 1000);
});

test("parameters, quoted and not", () => {
  const { value, parameters } = parseParameterized(
    'Text/Plain; charset=utf-8; name="a \\"b\\"" ; x = y; charset=second',
  );
  assert.equal(value, "text/plain");
  assert.deepEqual(
    [...parameters],
    [
      ["charset", "utf-8"],
      ["name", 'a "b"'],
      ["x", "y"],
    ],
  );
});

test("encoded words become Unicode; what cannot be decoded stays", () => {
  assert.equal(decodeWords("=?utf-8?q?a=C3=A4_b?= =?utf-8?b?w6Q=?= c"), "aä bä c");
  assert.equal(decodeWords("=?iso-8859-1*de?Q?=E4?="), "ä");
  assert.equal(decodeWords("=?nonsense?q?x?="), "=?nonsense?q?x?=");
  assert.equal(decodeWords("plain"), "plain");
});

const mixed = crlf(`Content-Type: multipart/mixed; boundary=b
From: a@b

preamble
--b
Content-Type: text/plain; charset=utf-8

one
two
--b
Content-Type: message/rfc822

Subject: inner
Content-Type: multipart/alternative; boundary="c c"

--c c

plain
--c c
Content-Type: text/html
Content-Transfer-Encoding: base64

PGI+
--c c--
--b--
epilogue
`);

test("a tree of parts, as BODYSTRUCTURE tells it", () => {
  const tree = parseMime(mixed);
  assert.equal(
    formatBodyStructure(tree, false),
    '(("TEXT" "PLAIN" ("CHARSET" "utf-8") NIL NIL "7BIT" 8 1)' +
      '("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 169 (NIL "inner" NIL NIL NIL NIL NIL NIL NIL NIL) ' +
      '(("TEXT" "PLAIN" NIL NIL NIL "7BIT" 5 0)("TEXT" "HTML" NIL NIL NIL "BASE64" 4 0) "ALTERNATIVE") 11) "MIXED")',
  );
});

test("parts are found by their numbers", () => {
  const tree = parseMime(mixed);
  const body = (...numbers: number[]) => {
    const part = findPart(tree, numbers);
    return part && mixed.toString("latin1", part.bodyStart, part.end);
  };
  assert.equal(body(1), "one\r\ntwo");
  assert.equal(body(2, 1), "plain");
  assert.equal(body(2, 2), "PGI+");
  for (const none of [[3], [1, 1], [2, 3], [2, 1, 1], [0]])
    assert.equal(body(...none), undefined, none.join("."));
  const plain = crlf("Subject: x\n\nbody\n");
  const root = parseMime(plain);
  const only = findPart(root, [1]);
  assert.equal(only && plain.toString("latin1", only.bodyStart, only.end), "body\r\n");
  assert.equal(findPart(root, [1, 1]), undefined);
});

test("ENVELOPE of a header with nothing and with odd things", () => {
  assert.equal(formatEnvelope([]), "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
  assert.equal(
    formatEnvelope(parseFields(bytes('Subject: a "b"\nFrom: \xe4 <x@y>\n'))),
    '(NIL "a \\"b\\"" (({1}\r\n\xe4 NIL "x" "y")) (({1}\r\n\xe4 NIL "x" "y")) (({1}\r\n\xe4 NIL "x" "y")) NIL NIL NIL NIL NIL)',
  );
});

test("text in an encoding is found behind it", () => {
  const message = crlf(`Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: base64

w6RoZQ==
--b
Content-Transfer-Encoding: quoted-printable

so=
ft =C3=B6
--b
Content-Type: text/plain; charset=iso-8859-1

\xfc
--b
Content-Type: application/octet-stream
Content-Transfer-Encoding: base64

AAEC
--b--
`);
  assert.deepEqual(
    [...hiddenTexts(message, parseMime(message))].map((text) => text.trim()),
    ["ähe", "soft ö", "ü"],
  );
});

test("messages made to hurt are bounded in depth, parts and time", () => {
  const deep = "Content-Type: message/rfc822\r\n\r\n".repeat(500);
  let depth = 0;
  for (let part = parseMime(bytes(deep)).message; part; part = part.message) depth++;
  assert.equal(depth, limits.imap.mimeDepth);

  const many = `Content-Type: multipart/mixed; boundary=b\r\n\r\n${"--b\r\n\r\nx\r\n".repeat(5000)}`;
  assert.ok(parseMime(bytes(many)).parts.length <= limits.imap.mimeParts);

  // every level contains a message; looking at the whole rest at each of them, line by line, took a minute
  const lines = `${"Content-Type: message/rfc822\r\n\r\n".repeat(50)}\r\n${"\n".repeat(4_000_000)}`;
  const started = performance.now();
  formatBodyStructure(parseMime(bytes(lines)), true);
  assert.ok(performance.now() - started < 5000, `took ${performance.now() - started} ms`);
});
