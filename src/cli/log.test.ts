import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { formatTai64n } from "#wire/tai64.ts";
import { jsonLine, localLine } from "./commands/log.ts";
import { allLines, Follower } from "./logfiles.ts";
import { Related } from "./related.ts";
import { formatAge, formatSize, shellWord, table } from "./text.ts";

function place(context: TestContext): string {
  const directory = fs.mkdtempSync(path.join(tmpdir(), "kenro-cli-"));
  context.after(() => fs.rmSync(directory, { recursive: true, force: true }));
  return directory;
}

const at = (ms: number) => formatTai64n(1_785_000_000_000 + ms);

function write(file: string, ...lines: readonly string[]): void {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.appendFileSync(file, lines.map((line) => `${line}\n`).join(""));
}

async function collect(lines: AsyncIterable<string>): Promise<readonly string[]> {
  const all: string[] = [];
  for await (const line of lines) all.push(line);
  return all;
}

test("allLines() merges closed and current files of all roles by their stamps", async (context) => {
  const log = place(context);
  write(path.join(log, "smtpd", `${at(40)}.s`), `${at(10)} smtpd a`, `${at(40)} smtpd d`);
  write(path.join(log, "smtpd", `${at(60)}.s`), `${at(50)} smtpd e`);
  write(path.join(log, "smtpd", "current"), `${at(70)} smtpd g`);
  write(path.join(log, "queue", "current"), `${at(20)} queue b`, `${at(30)} queue c`, `${at(60)} queue f`);
  write(path.join(log, "auth", "current"));
  write(path.join(log, "not-a-role"), "x");
  const lines = await collect(allLines(log));
  assert.deepEqual(lines.map((line) => line.slice(-1)).join(""), "abcdefg");
  assert.deepEqual(await collect(allLines(path.join(log, "missing"))), []);
});

test("a follower goes on exactly where allLines() ended, over a rotation and with roles that come later", async (context) => {
  const log = place(context);
  const current = path.join(log, "smtpd", "current");
  write(current, `${at(10)} smtpd a`);
  const follower = new Follower(log);
  write(current, `${at(20)} smtpd b`);
  assert.deepEqual(await collect(allLines(log, follower)), [`${at(10)} smtpd a`]);
  assert.deepEqual(follower.read(), [`${at(20)} smtpd b`]);
  assert.deepEqual(follower.read(), []);
  fs.appendFileSync(current, `${at(30)} smtpd ha`);
  assert.deepEqual(follower.read(), [], "half a line waits");
  fs.appendFileSync(current, "lf\n");
  write(current, `${at(50)} smtpd last`);
  fs.renameSync(current, path.join(log, "smtpd", `${at(55)}.s`));
  write(current, `${at(60)} smtpd new`);
  write(path.join(log, "queue", "current"), `${at(40)} queue q`);
  assert.deepEqual(
    follower.read().map((line) => line.slice(26)),
    ["smtpd half", "queue q", "smtpd last", "smtpd new"],
  );
});

const story = [
  "smtpd smtp_connect session=s1 ip=192.0.2.7",
  "smtpd smtp_connect session=s2 ip=192.0.2.8",
  "smtpd smtp_accept session=s1 id=m1 sender=a@a.test",
  "queue queue_new id=m1 sender=a@a.test",
  "smtpd smtp_accept session=s1 id=m2 sender=a@a.test",
  "queue queue_new id=m2",
  'smtpd smtp_reject session=s2 text="says id=m1 session=s1"',
  "queue queue_bounce id=m1 bounce=m3 to=a@a.test",
  "queue queue_new id=m3",
  "smtpd smtp_disconnect session=s1 reason=quit",
  "supervisor role_started role=queue",
].map((text, n) => `${at(n)} ${text}`);

for (const [wanted, shown] of [
  ["m1", [0, 2, 3, 7, 8, 9]],
  ["m2", [0, 4, 5, 9]],
  ["m3", [8]],
  ["s1", [0, 2, 3, 4, 5, 7, 8, 9]],
  ["s2", [1, 6]],
  ["nothing", []],
] as const) {
  test(`log --id ${wanted} shows what belongs to it and nothing else`, () => {
    const related = new Related(wanted);
    for (const line of story) related.learn(line);
    const found = story.flatMap((line, n) => (related.has(line) ? [n] : []));
    assert.deepEqual(found, shown);
  });
}

test("localLine() shows the time here to the ms, and nothing that moves the cursor", () => {
  assert.match(localLine(`${at(123)} smtpd ready`), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.123 smtpd ready$/);
  assert.equal(localLine("no stamp"), "no stamp");
  assert.match(localLine(`${at(0)} smtpd \u001b[2J\u009b`), / smtpd \?\[2J\?$/);
});

test("jsonLine() is one object on one line, whatever the line says", () => {
  assert.deepEqual(
    JSON.parse(jsonLine(`${at(5)} smtpd smtp_reject code=550 text="5.1.1 No \\"such\\" user"`)),
    {
      time: new Date(1_785_000_000_005).toISOString(),
      role: "smtpd",
      event: "smtp_reject",
      fields: { code: "550", text: '5.1.1 No "such" user' },
    },
  );
  assert.deepEqual(JSON.parse(jsonLine("no stamp")), { text: "no stamp" });
});

test("tables, ages and sizes are for people", () => {
  assert.deepEqual(table(["A", "LONG"], [["long", "b"]]), ["A     LONG", "long  b"]);
  for (const [ms, text] of [
    [-5, "0s"],
    [0, "0s"],
    [119_999, "119s"],
    [120_000, "2m"],
    [7_200_000, "2h"],
    [172_800_000, "2d"],
  ] as const)
    assert.equal(formatAge(ms), text);
  for (const [bytes, text] of [
    [0, "0"],
    [1023, "1023"],
    [1024, "1.0K"],
    [1_572_864, "1.5M"],
    [5 * 1024 ** 4, "5.0T"],
  ] as const)
    assert.equal(formatSize(bytes), text);
});

test("shellWord() is one word to a shell", () => {
  for (const text of ["/srv/mail", "with space", "it's", "$(x)", "", 'a"b\\c', "~"])
    assert.equal(execFileSync("sh", ["-c", `printf %s ${shellWord(text)}`], { encoding: "utf8" }), text);
  assert.equal(shellWord("/srv/kenro-data"), "/srv/kenro-data");
});
