// `kenro deliver --dry-run` against a real qmail-local: the same files, the same words. Debian has no qmail; where there is one
// (KENRO_QMAIL_LOCAL, or /var/qmail), it is asked, and what is expected here is what that of notqmail 1.08 has said.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import test from "node:test";
import { asRoot, SystemWorld } from "../support/systemusers.ts";

const real = [process.env["KENRO_QMAIL_LOCAL"], "/var/qmail/bin/qmail-local"].find(
  (at) => at !== undefined && fs.existsSync(at),
);

interface Case {
  readonly ext: string;
  readonly files: Readonly<Record<string, string>>;
  /** Of files. */
  readonly mode?: number;
  /** Of the home. */
  readonly home?: number;
  readonly said: string;
}

const did = (...counts: readonly number[]) => `did ${counts.join("+")}\n`;
const all = "#c\n|p  q \n&a@b\n./Mailbox\n./Maildir/\n\n/abs/x\nc@d\n+x\n";
const allSaid = "program p  q\nforward a@b\nmbox ./Mailbox\nmaildir ./Maildir/\nmbox /abs/x\nforward c@d\n";

const cases: readonly Case[] = [
  { ext: "", files: { "": all }, said: allSaid + did(3, 2, 1) },
  { ext: "", files: {}, said: `maildir ./Maildir/\n${did(1, 0, 0)}` },
  { ext: "", files: { "": "" }, said: `maildir ./Maildir/\n${did(1, 0, 0)}` },
  { ext: "", files: { "": "#" }, said: did(0, 0, 0) },
  { ext: "", files: { "": "\n&x\n" }, said: "111 Uh-oh: first line of .qmail file is blank. (#4.2.1)\n" },
  { ext: "", files: { "": "&\n" }, said: `forward \n${did(0, 1, 0)}` },
  { ext: "", files: { "": "& x y \t\n" }, said: `forward  x y\n${did(0, 1, 0)}` },
  { ext: "", files: { "": "./a\r\n" }, said: `mbox ./a\r\n${did(1, 0, 0)}` },
  {
    ext: "",
    files: { "": "./a\n+list\n&b\n./c\n" },
    said: "mbox ./a\nforward b\n111 Uh-oh: .qmail has file delivery but has x bit set. (#4.7.0)\n",
  },
  { ext: "", files: { "": "+listen\n./a\n" }, said: `mbox ./a\n${did(1, 0, 0)}` },
  {
    ext: "",
    files: { "": "&a\n|b\n" },
    mode: 0o700,
    said: "forward a\n111 Uh-oh: .qmail has prog delivery but has x bit set. (#4.7.0)\n",
  },
  { ext: "", files: { "": "" }, mode: 0o700, said: `maildir ./Maildir/\n${did(1, 0, 0)}` },
  { ext: "", files: { "": "#\n" }, mode: 0o602, said: "111 Uh-oh: .qmail file is writable. (#4.7.0)\n" },
  { ext: "", files: { "": "#\n" }, mode: 0o620, said: did(0, 0, 0) },
  { ext: "", files: { "": "#\n" }, home: 0o702, said: "111 Uh-oh: home directory is writable. (#4.7.0)\n" },
  {
    ext: "",
    files: { "": "#\n" },
    home: 0o1700,
    said: `Warning: home directory is sticky.\n${did(0, 0, 0)}`,
  },
  {
    ext: "foo-bar",
    files: { "-foo-bar": "&1\n", "-foo-default": "&2\n" },
    said: `forward 1\n${did(0, 1, 0)}`,
  },
  {
    ext: "foo-bar",
    files: { "-default": "&3\n", "-foo-default": "&2\n" },
    said: `forward 2\n${did(0, 1, 0)}`,
  },
  { ext: "foo-bar", files: { "-default": "&3\n" }, said: `forward 3\n${did(0, 1, 0)}` },
  { ext: "foo-bar", files: { "-foo": "&3\n" }, said: "100 Sorry, no mailbox here by that name. (#5.1.1)\n" },
  { ext: "Foo.Bar", files: { "-foo:bar": "&1\n" }, said: `forward 1\n${did(0, 1, 0)}` },
  { ext: "..", files: { "-::": "&1\n" }, said: `forward 1\n${did(0, 1, 0)}` },
  { ext: "x/y", files: {}, said: "100 Sorry, no mailbox here by that name. (#5.1.1)\n" },
  { ext: "x".repeat(300), files: { "-default": "&1\n" }, said: `forward 1\n${did(0, 1, 0)}` },
];

test("kenro deliver --dry-run says what qmail-local -n says", async (context) => {
  if (!asRoot) return context.skip("run this as root");
  if (real === undefined) context.diagnostic("no qmail-local here: compared with what it said before");
  const site = await SystemWorld.start(context, ["joe"]);
  const home = site.at("joe");
  const [uid, gid] = [site.uid("joe"), site.uid("joe")];
  const run = (program: string, words: readonly string[], who?: { uid: number; gid: number }) => {
    const { status, stdout, stderr } = spawnSync(program, words, { encoding: "utf8", ...who });
    return `${status === 0 ? "" : stdout}${status === 0 ? stderr + stdout : `${status === 1 ? 100 : status} ${stderr}`}`;
  };
  for (const { ext, files, mode = 0o600, home: homeMode = 0o700, said } of cases) {
    for (const name of fs.readdirSync(home)) fs.rmSync(`${home}/${name}`);
    for (const [name, text] of Object.entries(files)) site.write("joe", `.qmail${name}`, text, mode);
    fs.chmodSync(home, homeMode);
    const local = ext === "" ? "joe" : `joe-${ext}`;
    const what = JSON.stringify({ ext, files, mode: mode.toString(8) });
    const kenro = path("bin/kenro");
    const words = ["deliver", "--dry-run", "--dir", site.world.dir, `${local}@sys.test`];
    assert.equal(run(kenro, words), said, what);
    if (real === undefined) continue;
    const dash = ext === "" ? "" : "-";
    const asked = ["-n", "--", "joe", home, local, dash, ext, "sys.test", "s@x.test", "./Maildir/"];
    assert.equal(run(real, asked, { uid, gid }), said, `qmail-local: ${what}`);
  }
});

const path = (name: string): string => new URL(`../../${name}`, import.meta.url).pathname;

/** Program, words, how it ends, what it says; as the programs of notqmail 1.08 end and say it. */
const helpers: readonly (readonly [words: string, code: number, out: string, err: string])[] = [
  ["bouncesaying", 100, "", "bouncesaying: usage: bouncesaying error [ program [ arg ... ] ]\n"],
  ["bouncesaying text", 100, "", "text\n"],
  ["bouncesaying text true", 100, "", "text\n"],
  ["bouncesaying text false", 0, "", ""],
  ["bouncesaying text not-there", 0, "", ""],
  ["bouncesaying text sh -c exit+111", 111, "", "bouncesaying: fatal: temporary child error\n"],
  ["bouncesaying text sh -c kill+$$", 111, "", "bouncesaying: fatal: child crashed\n"],
  ["except", 100, "", "except: usage: except program [ arg ... ]\n"],
  ["except true", 100, "", ""],
  ["except false", 0, "", ""],
  ["except /etc/passwd", 0, "", ""],
  ["except sh -c exit+111", 111, "", "except: fatal: temporary child error\n"],
  ["except sh -c exit+99", 0, "", ""],
  ["condredirect x", 100, "", "condredirect: usage: condredirect newaddress program [ arg ... ]\n"],
  ["condredirect x false", 0, "", ""],
  ["condredirect x sh -c exit+111", 111, "", "condredirect: fatal: temporary child error\n"],
  ["preline", 100, "", "preline: usage: preline cmd [ arg ... ]\n"],
  ["preline cat", 0, "U\nR\nD\nin\n", ""],
  ["preline -f cat", 0, "R\nD\nin\n", ""],
  ["preline -rd cat", 0, "U\nin\n", ""],
  ["preline -frdR -- cat", 0, "R\nin\n", ""],
  ["preline sh -c exit+77", 77, "", ""],
  ["preline sh -c kill+$$", 111, "", "preline: fatal: child crashed\n"],
  ["forward x", 100, "", "forward: fatal: NEWSENDER not set\n"],
  ["qreceipt", 100, "", "qreceipt: usage: qreceipt deliveryaddress\n"],
];

test("bouncesaying, condredirect, except, preline end as qmail's and say the same", () => {
  const env = { PATH: process.env["PATH"], UFLINE: "U\n", RPLINE: "R\n", DTLINE: "D\n" };
  for (const [line, code, out, err] of helpers) {
    const words = line.split(" ").map((word) => word.replace("+", " "));
    const ran = spawnSync(path("bin/kenro"), words, { encoding: "utf8", input: "in\n", env });
    assert.deepEqual([ran.status, ran.stdout, ran.stderr], [code, out, err], line);
  }
});
