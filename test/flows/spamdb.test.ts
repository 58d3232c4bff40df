// Feeds from outside: added, updated, held back when they would refuse wanted mail, refused when they are bad.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { generateKeyPairSync, hash, sign } from "node:crypto";
import fs from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { gzipSync } from "node:zlib";
import { formatFate } from "#policy/replay/fate.ts";
import { sessionRecord } from "#test/support/sessionrecord.ts";
import { type Member, tarOf } from "#test/support/tar.ts";
import { addFiles, temporaryDirectory } from "#test/support/temporary.ts";
import { need } from "../support/tools.ts";

const executable = path.resolve(import.meta.dirname, "../../bin/kenro");

interface Ran {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

class Site {
  readonly root: string;
  readonly data: string;

  constructor(context: TestContext) {
    this.root = temporaryDirectory(context);
    this.data = path.join(this.root, "data");
    const init = ["init", "--hostname", "mail.a.test", "--domain", "a.test", "--port-base", "33000", "--yes"];
    assert.equal(this.kenro(...init).status, 0);
  }

  kenro(...words: readonly string[]): Ran {
    const ran = spawnSync(executable, [...words, "--dir", this.data], { cwd: this.root, encoding: "utf8" });
    return { status: ran.status, out: ran.stdout, err: ran.stderr };
  }

  /** Without waiting in this process, which serves what the command fetches. */
  kenroMeanwhile(...words: readonly string[]): Promise<Ran> {
    const child = spawn(executable, [...words, "--dir", this.data], { cwd: this.root });
    let [out, err] = ["", ""];
    child.stdout.on("data", (chunk) => (out += String(chunk)));
    child.stderr.on("data", (chunk) => (err += String(chunk)));
    return new Promise((resolve) => child.on("close", (status) => resolve({ status, out, err })));
  }

  ok(...words: readonly string[]): string {
    const ran = this.kenro(...words);
    assert.equal(ran.status, 0, `${words.join(" ")}: ${ran.out}${ran.err}`);
    return ran.out;
  }

  fails(wanted: RegExp, ...words: readonly string[]): void {
    const ran = this.kenro(...words);
    assert.notEqual(ran.status, 0, `${words.join(" ")}: ${ran.out}`);
    assert.match(ran.err, wanted, words.join(" "));
  }

  at(...parts: readonly string[]): string {
    return path.join(this.root, ...parts);
  }

  record(...lines: readonly string[]): void {
    const directory = path.join(this.data, "ledger/sessions");
    fs.mkdirSync(directory, { recursive: true });
    fs.appendFileSync(path.join(directory, "2026-01-01.jsonl"), `${lines.join("\n")}\n`);
  }

  archive(name: string, ...members: readonly Member[]): string {
    const file = this.at(name);
    fs.writeFileSync(file, gzipSync(tarOf(...members)));
    return file;
  }

  active(name: string, below: string): readonly string[] {
    return fs.readdirSync(path.join(this.data, "rules/feeds", name, below)).sort();
  }
}

test("a feed is tried on what came before: it waits when wanted mail would be refused", (context) => {
  const site = new Site(context);
  site.record(
    sessionRecord({ mail: ["abcdefgh-1"] }),
    sessionRecord({ id: "s1-2", sender: "spam@bad.test", mail: ["abcdefgh-2"] }),
    ...["abcdefgh-1", "abcdefgh-2"].map((mail) => formatFate({ mail, of: 0, fate: "delivered" }, Date.now())),
    formatFate({ mail: "abcdefgh-2", of: 0, fate: "junked" }, Date.now()),
    "not a record",
  );
  addFiles(site.at("feed/badhelodir/unknown"), ".jp");
  addFiles(site.at("feed/badmailfromdir"), "@bad.test");
  addFiles(site.at("feed"), "Makefile");
  assert.match(site.ok("spamdb", "add", "jp", "feed"), /jp: 2 entries count now \(tried on 2 recorded/);
  assert.deepEqual(site.active("jp", "badhelodir/unknown"), [".jp"]);
  const mode = (below: string) => fs.statSync(path.join(site.data, "rules/feeds/jp", below)).mode & 0o777;
  assert.deepEqual([mode("badmailfromdir"), mode("badmailfromdir/@bad.test")], [0o755, 0o644]);
  assert.match(site.ok("spamdb", "update"), /jp: unchanged, 2 entries/);
  // what would refuse the shop waits, with its name
  addFiles(site.at("feed/badmailfromdir"), "@shop.test", "@new.test");
  site.fails(
    /jp: waits for you\n.*wanted: 1 recipient.*<info@shop\.test>.*@shop\.test \(feed jp\)/s,
    "spamdb",
    "update",
    "jp",
  );
  assert.deepEqual(site.active("jp", "badmailfromdir"), ["@bad.test"], "the old one goes on");
  assert.match(site.ok("spamdb", "list"), /^jp +2 .* no +yes: It would refuse mail/m);
  const replayed = site.kenro("policy", "replay", "--feed", "jp", "--json");
  assert.equal(replayed.status, 1);
  const { sessions, bad, lost } = JSON.parse(replayed.out) as Record<string, number>;
  assert.deepEqual([sessions, bad, lost], [2, 1, 1]);
  assert.equal(site.kenro("spamdb", "check", "jp").status, 1);
  // the recorded sessions are an hour old
  assert.match(site.ok("policy", "replay", "--candidate", "feed", "--since", "10m"), /^0 sessions/m);
  assert.equal(site.kenro("policy", "replay", "--candidate", "feed", "--since", "2h").status, 1);
  site.fails(/no number of days/, "policy", "replay", "--days", "x");
  // without the entry nothing is in the way
  assert.match(site.ok("spamdb", "except", "jp", "@shop.test"), /jp: 3 entries count now/);
  assert.deepEqual(site.active("jp", "badmailfromdir"), ["@bad.test", "@new.test"]);
  assert.match(site.ok("spamdb", "update"), /unchanged, 3 entries/, "it stays left out");
  // an update that has lost most of its entries waits, too
  fs.rmSync(site.at("feed/badmailfromdir"), { recursive: true });
  site.fails(/waits for you\n.*1 entry, and the active version has 3/, "spamdb", "update");
  site.ok("spamdb", "drop", "jp");
  site.fails(/No version of feed "jp" waits/, "spamdb", "accept", "jp");
  site.fails(/waits for you/, "spamdb", "update");
  assert.match(site.ok("spamdb", "accept", "jp"), /1 entry count/);
  assert.deepEqual(fs.readdirSync(path.join(site.data, "rules/feeds/jp/badhelodir")), ["unknown"]);
  assert.equal(fs.readdirSync(path.join(site.data, "rules/feeds/.jp")).length, 2, "old versions are gone");
  site.ok("spamdb", "remove", "jp");
  assert.match(site.ok("spamdb", "list"), /No feeds/);
  assert.deepEqual(
    fs.readdirSync(path.join(site.data, "rules/feeds")).filter((name) => name.includes("jp")),
    [],
  );
});

test("bad feeds are refused whole, and nothing of them stays", (context) => {
  const site = new Site(context);
  const good: Member = { path: "badmailfromdir/@bad.test" };
  const rows: readonly (readonly [string, RegExp])[] = [
    [site.archive("up.tar.gz", good, { path: "badhelodir/../../../etc/x" }), /has the path/],
    [site.archive("root.tar.gz", good, { path: "/etc/x" }), /has the path/],
    [site.archive("link.tar.gz", good, { path: "badhelodir/x", type: "2" }), /neither a file/],
    [site.archive("all.tar.gz", good, { path: "badhelodir/.com" }), /top-level domain/],
    [site.archive("dots.tar.gz", good, { path: "badmailfromdir/..." }), /everyone/],
    [site.archive("us.tar.gz", good, { path: "badrcpttodir/@a.test" }), /all mail for a\.test/],
    [site.archive("lines.tar.gz", good, { path: "badmailfrom", bytes: "@b.test\n../x\n" }), /"\/"/],
    [site.archive("nul.tar.gz", good, { path: "badmailfrom", bytes: "a\0b\n" }), /NUL/],
    [site.archive("empty.tar.gz"), /no entries/],
    ["nowhere", /no such directory/],
  ];
  fs.writeFileSync(site.at("noise.tar.gz"), "noise");
  fs.writeFileSync(site.at("bomb.tar.gz"), gzipSync(Buffer.alloc(300 * 1024 * 1024)));
  fs.mkdirSync(site.at("linked/badhelodir"), { recursive: true });
  fs.symlinkSync("/etc/passwd", site.at("linked/badhelodir/x.test"));
  const more = [
    ["noise.tar.gz", /cut off|no tar/],
    ["bomb.tar.gz", /unpacks to more than/],
    ["linked", /neither a file nor a directory/],
  ] as const;
  for (const [source, wanted] of [...rows, ...more]) site.fails(wanted, "spamdb", "add", "bad", source);
  assert.deepEqual(fs.readdirSync(path.join(site.data, "rules/feeds")), []);
  site.fails(/cannot be the name/, "spamdb", "add", "../x", "linked");
  site.fails(/by http:/, "spamdb", "add", "x", "http://127.0.0.1/feed.tar.gz");
  // a feed that goes bad leaves what counted
  fs.copyFileSync(site.archive("good.tar.gz", good), site.at("feed.tar.gz"));
  site.ok("spamdb", "add", "feed", "feed.tar.gz");
  for (const [source] of rows.slice(0, 9)) {
    fs.copyFileSync(source, site.at("feed.tar.gz"));
    site.fails(/feed: not used/, "spamdb", "update");
  }
  assert.deepEqual(site.active("feed", "badmailfromdir"), ["@bad.test"]);
});

test("a feed with a key counts only as its keeper signed it, and never an older one; by HTTP, too", async (context) => {
  const site = new Site(context);
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  fs.writeFileSync(site.at("key.pem"), publicKey.export({ format: "pem", type: "spki" }));
  const signed = (serial: number, names: readonly string[], by = privateKey) => {
    const lines = names.map((name) => `${hash("sha256", "")}  badmailfromdir/${name}`);
    const manifest = `# serial ${serial}\n${lines.join("\n")}\n`;
    const signature = sign(null, Buffer.from(manifest), by).toString("base64");
    return tarOf(
      ...names.map((name) => ({ path: `db/badmailfromdir/${name}` })),
      { path: "db/MANIFEST", bytes: manifest },
      { path: "db/MANIFEST.sig", bytes: signature },
    );
  };
  let body = gzipSync(signed(2, ["@b.test", "@c.test"]));
  const server = http.createServer((request, response) => {
    if (request.url === "/away") response.writeHead(302, { location: "/feed" }).end();
    else if (request.url === "/feed") response.end(body);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.after(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const add = await site.kenroMeanwhile("spamdb", "add", "web", `${url}/away`, "--key", "key.pem");
  assert.equal(add.status, 0, add.err);
  assert.deepEqual(site.active("web", "badmailfromdir"), ["@b.test", "@c.test"]);
  const other = generateKeyPairSync("ed25519").privateKey;
  const rows: readonly (readonly [Buffer, RegExp])[] = [
    [signed(3, ["@d.test", "@e.test"], other), /not by the key/],
    [signed(1, ["@d.test", "@e.test"]), /serial is 1.*an old one/],
    [tarOf({ path: "badmailfromdir/@d.test" }), /not signed/],
  ];
  for (const [bytes, wanted] of rows) {
    body = gzipSync(bytes);
    const ran = await site.kenroMeanwhile("spamdb", "update", "web");
    assert.equal(ran.status, 1);
    assert.match(ran.err, wanted);
  }
  assert.deepEqual(site.active("web", "badmailfromdir"), ["@b.test", "@c.test"]);
  body = gzipSync(signed(3, ["@b.test", "@d.test"]));
  assert.equal((await site.kenroMeanwhile("spamdb", "update", "web")).status, 0);
  assert.deepEqual(site.active("web", "badmailfromdir"), ["@b.test", "@d.test"]);
  const gone = await site.kenroMeanwhile("spamdb", "add", "gone", `${url}/nothing`, "--key", "key.pem");
  assert.match(gone.err, /the server says 404/);
  fs.writeFileSync(site.at("bad.pem"), "no key");
  site.fails(/Cannot use the key/, "spamdb", "add", "x", "https://127.0.0.1/x", "--key", "bad.pem");
});

test("a feed from git is packed by git and never checked out; 10,000 entries are no trouble", (context) => {
  if (!need(context, "git")) return;
  const site = new Site(context);
  const names = Array.from({ length: 10_000 }, (_, at) => `@bad-${at}.test`);
  addFiles(site.at("repository/badmailfromdir"), ...names);
  const git = (...words: readonly string[]) => {
    const set = ["-c", "user.name=x", "-c", "user.email=x@a.test", "-c", "init.defaultBranch=main"];
    const ran = spawnSync("git", [...set, ...words], { cwd: site.at("repository"), encoding: "utf8" });
    assert.equal(ran.status, 0, ran.stderr);
  };
  git("init", "--quiet");
  git("add", ".");
  git("commit", "--quiet", "-m", "first");
  const began = performance.now();
  site.ok("spamdb", "add", "git", `git+file://${site.at("repository")}`);
  const ms = Math.round(performance.now() - began);
  context.diagnostic(`added in ${ms} ms`);
  assert.equal(site.active("git", "badmailfromdir").length, 10_000);
  fs.symlinkSync("/etc/passwd", site.at("repository/badmailfromdir/@link.test"));
  git("add", ".");
  git("commit", "--quiet", "-m", "second");
  site.fails(/neither a file nor a directory/, "spamdb", "update");
  site.fails(/Cannot run git/, "spamdb", "add", "none", "git+file:///nowhere");
});
