import assert from "node:assert/strict";
import test from "node:test";
import { limits } from "#base/limits.ts";
import { fromLine, newSender, quoteAddress, returnPath, variablesFor } from "./environment.ts";
import { describeInstruction, parseInstructions, refusals } from "./instructions.ts";
import { deferredWith, didText, failedWith, programEnd, reportText } from "./report.ts";
import { candidatesFor, ownerFiles } from "./search.ts";

/** The file as `qmail-local -n` tells it. */
function told(file: string | Buffer, forwardOnly = false): readonly string[] {
  const bytes = typeof file === "string" ? Buffer.from(file) : file;
  const parsed = parseInstructions(bytes, forwardOnly);
  if (!parsed.ok) return [`error ${parsed.error}`];
  return parsed.value.map((each) =>
    each.kind === "refused" ? `refused ${each.text}` : describeInstruction(each),
  );
}

const files: readonly (readonly [
  what: string,
  file: string | Buffer,
  told: readonly string[],
  forwardOnly?: boolean,
])[] = [
  [
    "every kind",
    "# x\n|prog a\n&bob\n./Mailbox\n./Maildir/\n/abs/box\ncarl@x.test\n",
    [
      "program prog a",
      "forward bob",
      "mbox ./Mailbox",
      "maildir ./Maildir/",
      "mbox /abs/box",
      "forward carl@x.test",
    ],
  ],
  ["no line end at the end", "./Mailbox", ["mbox ./Mailbox"]],
  ["blanks at the end", "./Maildir/ \t \n|prog \n", ["maildir ./Maildir/", "program prog"]],
  ["blanks elsewhere stay", "& bob\n|  a  b\n bob\n", ["forward  bob", "program   a  b", "forward  bob"]],
  ["blank lines below the first", "&bob\n\n \n&carl\n", ["forward bob", "forward carl"]],
  ["a blank first line", "\n&bob\n", [`refused ${refusals.blank}`, "forward bob"]],
  ["a first line of blanks", " \t\n&bob\n", [`refused ${refusals.blank}`, "forward bob"]],
  ["an empty file", "", [`refused ${refusals.blank}`]],
  ["only a comment", "#\n", []],
  ["marks alone", "&\n|\n.\n/\n", ["forward ", "program ", "mbox .", "maildir /"]],
  ["carriage returns are characters", "./Maildir/\r\n", ["mbox ./Maildir/\r"]],
  [
    "+list",
    "./Mailbox\n+list\n&bob\n./Mailbox\n|x\n",
    [
      "mbox ./Mailbox",
      "forward bob",
      `refused ${refusals.fileInForwards}`,
      `refused ${refusals.programInForwards}`,
    ],
  ],
  ["other + lines", "+other\n+ list\n+listen\n./Mailbox\n", ["mbox ./Mailbox"]],
  ["+list with blanks behind it", "+list \n./Mailbox\n", [`refused ${refusals.fileInForwards}`]],
  [
    "the execute bit",
    "#\n&bob\n|x\n./y\n",
    ["forward bob", `refused ${refusals.programInForwards}`, `refused ${refusals.fileInForwards}`],
    true,
  ],
  ["UTF-8", "./Größe\n&grün@x.test\n|echo ü\n", ["mbox ./Größe", "forward grün@x.test", "program echo ü"]],
  [
    "other bytes",
    Buffer.from("#\xe4\n|x \xe4\n&bob\n", "latin1"),
    [`refused ${refusals.bytes}`, "forward bob"],
  ],
  ["a NUL", "./a\0b\n", [`error ${refusals.nul}`]],
  ["as large as it may be", `#${"x".repeat(limits.dotqmail.file - 1)}`, []],
  ["larger", `#${"x".repeat(limits.dotqmail.file)}`, [`error ${refusals.large}`]],
  [
    "as many forwards as there may be",
    "&b\n".repeat(limits.forward.recipients).concat("#\n"),
    Array.from({ length: limits.forward.recipients }, () => "forward b"),
  ],
  ["more", "&b\n".repeat(limits.forward.recipients + 1), [`error ${refusals.many}`]],
];

for (const [what, file, wanted, forwardOnly = false] of files) {
  test(`parseInstructions(): ${what}`, () => {
    assert.deepEqual(told(file, forwardOnly), wanted);
  });
}

test("candidatesFor() looks for names in qmail's order, and tells what DEFAULT is", () => {
  const rows: readonly (readonly [dash: string, ext: string, names: string])[] = [
    // seed: foo-bar, foo-default, default; the table in qmail-local.c
    ["-", "foo-bar", "-foo-bar= -foo-default=bar -default=foo-bar"],
    ["", "", "= default="],
    ["-/", "", "-/= -/default="],
    ["-/", "a", "-/a= -/default=a"],
    ["-/", "a-", "-/a-= -/a-default= -/default=a-"],
    ["-/", "a-b", "-/a-b= -/a-default=b -/default=a-b"],
    ["-/", "a-b-", "-/a-b-= -/a-b-default= -/a-default=b- -/default=a-b-"],
    ["-/", "a-b-c", "-/a-b-c= -/a-b-default=c -/a-default=b-c -/default=a-b-c"],
    ["-", "default", "-default=default -default=default"],
    ["-", "foo-Default", "-foo-default=Default -foo-default=Default -default=foo-Default"],
    ["-", "Foo.Bar", "-foo:bar= -default=Foo.Bar"],
    ["-", "..", "-::= -default=.."],
    ["-", "../../x", "-::/::/x= -default=../../x"],
    ["-", "a/b", "-a/b= -default=a/b"],
    ["-", "Ümlaut-ÄB", "-Ümlaut-Äb= -Ümlaut-default=ÄB -default=Ümlaut-ÄB"],
  ];
  for (const [dash, ext, names] of rows) {
    const found = candidatesFor(dash, ext).map(
      (each) => `${each.name.replace(".qmail", "")}=${each.default ?? ""}`,
    );
    assert.deepEqual(found.join(" "), names, `${dash} ${ext}`);
  }
  assert.equal(candidatesFor("-", "foo")[0]?.default, undefined);
  assert.deepEqual(ownerFiles("-", "My.List"), {
    owner: ".qmail-my:list-owner",
    ownerDefault: ".qmail-my:list-owner-default",
  });
});

const target = {
  user: "joe",
  home: "/home/joe",
  local: "joe-a-b-c-d",
  host: "w.x.y.test",
  dash: "-",
  extension: "a-b-c-d",
};

test("variablesFor() sets what qmail-command(8) says", () => {
  const letterhead = { sender: "s p@x.test", newSender: "n@x.test", default: "d", now: 1_163_059_626_000 };
  assert.deepEqual(variablesFor(target, letterhead), {
    HOST: "w.x.y.test",
    HOST2: "w.x.y",
    HOST3: "w.x",
    HOST4: "w",
    HOME: "/home/joe",
    USER: "joe",
    LOCAL: "joe-a-b-c-d",
    RECIPIENT: "joe-a-b-c-d@w.x.y.test",
    DTLINE: "Delivered-To: joe-a-b-c-d@w.x.y.test\n",
    SENDER: "s p@x.test",
    NEWSENDER: "n@x.test",
    RPLINE: 'Return-Path: <"s p"@x.test>\n',
    UFLINE: "From s-p@x.test Thu Nov 09 08:07:06 2006\n",
    EXT: "a-b-c-d",
    EXT2: "b-c-d",
    EXT3: "c-d",
    EXT4: "d",
    DEFAULT: "d",
  });
  const short = variablesFor(
    { ...target, host: "localhost", extension: "" },
    { ...letterhead, sender: "", default: undefined },
  );
  assert.deepEqual(
    [short["HOST2"], short["HOST4"], short["EXT"], short["EXT2"], short["EXT4"], short["RPLINE"]],
    ["localhost", "localhost", "", "", "", "Return-Path: <>\n"],
  );
  assert.equal("DEFAULT" in short, false);
});

test("newSender() knows -owner and VERP, and leaves bounces alone", () => {
  const rows = [
    ["s@x.test", "none", "s@x.test"],
    ["s@x.test", "owner", "joe-a-b-c-d-owner@w.x.y.test"],
    ["s@x.test", "verp", "joe-a-b-c-d-owner-@w.x.y.test-@[]"],
    ["", "owner", ""],
    ["", "verp", ""],
    ["#@[]", "verp", "#@[]"],
  ] as const;
  for (const [sender, owner, wanted] of rows) assert.equal(newSender(sender, target, owner), wanted);
});

test("quoteAddress(), returnPath() and fromLine() as qmail writes them", () => {
  for (const [address, wanted] of [
    ["", ""],
    ["a@b", "a@b"],
    ["a.b@c", "a.b@c"],
    [".a@c", '".a"@c'],
    ["a.@c", '"a."@c'],
    ["a..b@c", '"a..b"@c'],
    ["@c", '""@c'],
    ['a"b\\c@d', '"a\\"b\\\\c"@d'],
    ["a@b@c", '"a@b"@c'],
    ["ü@c", '"ü"@c'],
    ["plain", "plain"],
    ["a+b=c/d@e", "a+b=c/d@e"],
    ["a(b@c", '"a(b"@c'],
  ] as const)
    assert.equal(quoteAddress(address), wanted);
  assert.equal(returnPath("a\nb@c"), 'Return-Path: <"a\\_b"@c>\n');
  assert.equal(fromLine("", 0), "From MAILER-DAEMON Thu Jan 01 00:00:00 1970\n");
  assert.equal(fromLine("a b\tc\nd@e", 0), "From a-b-c-d@e Thu Jan 01 00:00:00 1970\n");
});

test("programEnd() is qmail's table of exit codes", () => {
  for (let code = 0; code < 256; code++) {
    const failed = [100, 64, 65, 70, 76, 77, 78, 112].includes(code);
    const wanted = code === 0 ? "done" : code === 99 ? "stop" : failed ? "failed" : "deferred";
    assert.equal(programEnd(code), wanted, String(code));
  }
});

test("reports are cut, and name their status", () => {
  assert.equal(reportText("a\0b"), "a");
  assert.equal(reportText("x".repeat(3000)), "x".repeat(3000));
  const cut = reportText("x".repeat(3001));
  assert.ok(cut.length <= 3000 && cut.endsWith("x\nError report too long, sorry.\n"));
  assert.deepEqual(failedWith("No. (#5.1.1)\n"), {
    kind: "failed",
    why: { code: "5.1.1", text: "No. (#5.1.1)" },
  });
  assert.deepEqual(failedWith("No. (#4.1.1)"), {
    kind: "failed",
    why: { code: "5.0.0", text: "No. (#4.1.1)" },
  });
  assert.equal(deferredWith("Out of memory. (#4.3.0)").kind, "deferred");
  const silent = deferredWith("");
  assert.ok(silent.kind === "deferred" && silent.why.code === "4.0.0" && silent.why.text !== "");
  assert.equal(didText(1, 2, 3), "did 1+2+3\n");
});
