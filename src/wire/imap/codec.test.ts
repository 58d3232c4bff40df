// The small grammars of IMAP: sets, names, dates, items, searches, heads; what is wrong is told, never thrown.

import assert from "node:assert/strict";
import test from "node:test";
import { readFetchItems } from "./fetch.ts";
import { Arguments, parseArguments, readHead } from "./lexer.ts";
import { formatAstring, formatInternalDate, formatString, parseDay, parseInternalDate } from "./response.ts";
import { dayOfDate, readSearch } from "./search.ts";
import { formatSequence, inRanges, parseSequence, resolveSequence } from "./sequence.ts";
import { formatUtf7, parseUtf7 } from "./utf7.ts";

test("sequence sets are resolved, joined and sorted", () => {
  const rows: readonly (readonly [set: string, last: number, ranges: string])[] = [
    ["1", 9, "1-1"],
    ["3:1", 9, "1-3"],
    ["*", 9, "9-9"],
    ["*:2", 9, "2-9"],
    // RFC 9051 §9: "20:*" names the last one even when there are less
    ["20:*", 9, "9-20"],
    ["5,1:2,2:4", 9, "1-5"],
    ["7,1", 9, "1-1 7-7"],
    ["*", 0, ""],
    ["1:*", 0, "0-1"],
    ["4294967295", 9, "4294967295-4294967295"],
  ];
  for (const [text, last, wanted] of rows) {
    const set = parseSequence(text);
    assert.ok(set.ok, text);
    assert.equal(
      resolveSequence(set.value, last)
        .map(({ from, to }) => `${from}-${to}`)
        .join(" "),
      wanted,
      text,
    );
  }
});

test("sets that are none are refused", () => {
  for (const text of ["", "0", "1:", ":1", "1,,2", "a", "1:2:3", "-1", "4294967296", "01", "1;2"]) {
    assert.equal(parseSequence(text).ok, false, text);
  }
  assert.equal(parseSequence(Array(10_000).fill("1").join()).ok, true);
  assert.equal(parseSequence(Array(10_001).fill("1").join()).ok, false);
});

test("a number is found in ranges", () => {
  const set = parseSequence("2:4,9,20:*");
  assert.ok(set.ok);
  const ranges = resolveSequence(set.value, 30);
  const inside = Array.from({ length: 40 }, (_, at) => at).filter((number) => inRanges(ranges, number));
  assert.deepEqual(inside, [2, 3, 4, 9, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30]);
  assert.equal(inRanges([], 1), false);
});

test("numbers are told as a set", () => {
  assert.equal(formatSequence([1, 2, 3, 7, 9, 10]), "1:3,7,9:10");
  assert.equal(formatSequence([5]), "5");
  assert.equal(formatSequence([]), "");
});

test("mailbox names in modified UTF-7 come and go", () => {
  const rows: readonly (readonly [string, string])[] = [
    ["INBOX", "INBOX"],
    ["R&D", "R&-D"],
    ["Entwürfe", "Entw&APw-rfe"],
    ["台北", "&U,BTFw-"],
    ["😀", "&2D3eAA-"],
    ["", ""],
  ];
  for (const [name, coded] of rows) {
    assert.equal(formatUtf7(name), coded);
    assert.deepEqual(parseUtf7(coded), { ok: true, value: name });
  }
  // not closed, not base64, what needs no coding, odd length, 8-bit
  for (const wrong of ["&", "&AGE", "&!!-", "&AGE-", "&AA-", "\xfc"])
    assert.equal(parseUtf7(wrong).ok, false, wrong);
});

test("dates are read and told", () => {
  const ms = Date.UTC(1994, 1, 7, 21, 52, 25);
  assert.equal(formatInternalDate(ms), '" 7-Feb-1994 21:52:25 +0000"');
  for (const text of [
    " 7-Feb-1994 21:52:25 +0000",
    "07-feb-1994 13:52:25 -0800",
    "7-Feb-1994 22:52:25 +0100",
  ]) {
    assert.equal(parseInternalDate(text), ms, text);
  }
  for (const text of ["", "7-Feb-1994", "32-Feb-1994 00:00:00 +0000", "7-Foo-1994 00:00:00 +0000", "x"]) {
    assert.equal(parseInternalDate(text), undefined, text);
  }
  assert.equal(parseDay("1-Feb-1994"), Date.UTC(1994, 1, 1));
  assert.equal(dayOfDate("Tue, 1 Jan 2030 23:59:59 -1200"), Date.UTC(2030, 0, 1));
  assert.equal(dayOfDate("1 Jan 99"), Date.UTC(1999, 0, 1));
  assert.equal(dayOfDate("1 Jan 26"), Date.UTC(2026, 0, 1));
  assert.equal(dayOfDate("nonsense"), undefined);
});

test("strings are quoted, or literals where quotes cannot hold them", () => {
  assert.equal(formatString('a "b" \\'), '"a \\"b\\" \\\\"');
  assert.equal(formatString("\xe4"), "{1}\r\n\xe4");
  assert.equal(formatString("a\r\nb"), "{4}\r\na\r\nb");
  assert.equal(formatString("a\0b"), "{2}\r\nab");
  assert.equal(formatAstring("Sent/2026"), "Sent/2026");
  assert.equal(formatAstring("two words"), '"two words"');
  assert.equal(formatAstring("NIL"), '"NIL"');
  assert.equal(formatAstring(""), '""');
});

test("heads: tag and verb, UID commands as one", () => {
  const head = (line: string) => {
    const found = readHead([line]);
    return found && `${found.tag} ${found.verb}`;
  };
  assert.equal(head("a1 noop"), "a1 NOOP");
  assert.equal(head("a uid fetch 1 flags"), "a UID FETCH");
  assert.equal(head("a"), "a ");
  for (const line of ["", " NOOP", "* NOOP", "+ NOOP", "a+b NOOP", "(a) NOOP", `${"x".repeat(251)} NOOP`]) {
    assert.equal(readHead([line]), undefined, line);
  }
});

const items = (text: string) => {
  const result = parseArguments(new Arguments([text]), (args) => {
    const read = readFetchItems(args);
    args.end();
    return read;
  });
  return result.ok
    ? result.value
        .map((item) => (item.kind === "section" ? `${item.peek ? "peek " : ""}${item.name}` : item.kind))
        .join()
    : `wrong: ${result.error}`;
};

test("FETCH items, their names in the answer, and macros", () => {
  const rows: readonly (readonly [string, string])[] = [
    ["FLAGS", "flags"],
    ["(uid RFC822.SIZE envelope)", "uid,size,envelope"],
    ["FAST", "flags,internaldate,size"],
    ["FULL", "flags,internaldate,size,envelope,body"],
    ["BODY", "body"],
    ["BODYSTRUCTURE", "bodystructure"],
    ["BODY[]", "BODY[]"],
    ["body.peek[1.2.mime]", "peek BODY[1.2.MIME]"],
    ['BODY[HEADER.FIELDS (To "X Y")]<0.10>', 'BODY[HEADER.FIELDS (To "X Y")]<0>'],
    ["BODY[3.HEADER.FIELDS.NOT (To)]", "BODY[3.HEADER.FIELDS.NOT (To)]"],
    ["RFC822.HEADER", "peek RFC822.HEADER"],
    ["()", ""],
  ];
  for (const [text, wanted] of rows) assert.equal(items(text), wanted, text);
  for (const text of [
    "",
    "FLAG",
    "BODY[",
    "BODY[0]",
    "BODY[1.]",
    "BODY[MIME]",
    "BODY[]<1>",
    "BODY[]<1.0>",
    "(FLAGS",
    "FLAGS UID",
  ]) {
    assert.match(items(text), /^wrong/, text);
  }
});

test("names a client makes up cannot break out of the answer", () => {
  const result = parseArguments(
    new Arguments(["BODY[HEADER.FIELDS (", Buffer.from("a\r\n* BYE"), ")]"]),
    readFetchItems,
  );
  assert.ok(result.ok);
  const [item] = result.value;
  assert.equal(item?.kind === "section" && item.name, "BODY[HEADER.FIELDS ({8}\r\na\r\n* BYE)]");
});

test("searches nest, but not without end", () => {
  const search = (text: string) => parseArguments(new Arguments([text]), readSearch).ok;
  for (const text of [
    "ALL",
    "1:3 UID 5:* NOT SEEN",
    "OR (FROM a TO b) NOT (SINCE 1-Feb-2026)",
    'CHARSET UTF-8 SUBJECT "x"',
    'HEADER X-Foo ""',
    "UNKEYWORD x KEYWORD $Forwarded",
  ]) {
    assert.equal(search(text), true, text);
  }
  for (const text of [
    "",
    "NONSENSE",
    "NOT",
    "OR ALL",
    "SINCE yesterday",
    "LARGER x",
    "(ALL",
    "ALL ALL)",
    "UID x",
  ]) {
    assert.equal(search(text), false, text);
  }
  assert.equal(search(`${"NOT ".repeat(50)}ALL`), true);
  assert.equal(search(`${"NOT ".repeat(51)}ALL`), false);
  assert.equal(search(`${"(".repeat(5000)}ALL`), false);
});
