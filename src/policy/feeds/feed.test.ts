import assert from "node:assert/strict";
import { generateKeyPairSync, hash, sign } from "node:crypto";
import test from "node:test";
import { limits } from "#base/limits.ts";
import { broadEntries } from "./breadth.ts";
import { countOf, type FeedFile, readFeed } from "./feed.ts";
import { checkManifest, parseKey } from "./manifest.ts";

const file = (path: string, text = ""): FeedFile => ({ path, bytes: Buffer.from(text) });
const files = (...paths: readonly string[]) => paths.map((path) => file(path));

const shown = (given: readonly FeedFile[]) => {
  const feed = readFeed(given);
  return [...feed.entries].map(([name, entries]) => `${name}: ${[...entries].join(" ")}`);
};

test("a feed in spamdb's layout: entries are names of files and lines, whatever else is there is left alone", () => {
  const given = [
    ...files("badhelodir/.Bad.test", "badhelodir/CVS/Root", "badhelodir/unknown/.jp", "badhelodir/.gitkeep"),
    ...files(
      "badmailfromdir/@bad.test",
      "badmailfromdir/a..b@docomo.test",
      "badrcpttodir/trap@a.test",
      "Makefile",
    ),
    file("badmailfrom", "# forged\n@more.test\n"),
    file("patterns", "word pool\n"),
  ];
  const wanted = [
    "badhelo: .bad.test",
    "badhelo/unknown: .jp",
    "badmailfrom: @bad.test a..b@docomo.test @more.test",
    "badrcptto: trap@a.test",
  ];
  assert.deepEqual(shown(given), wanted);
  // archives have a directory around everything
  assert.deepEqual(shown(given.map(({ path, bytes }) => ({ path: `spamdb-1/${path}`, bytes }))), wanted);
  const feed = readFeed(given);
  assert.deepEqual([feed.problems, feed.ignored, feed.patterns, countOf(feed)], [[], 2, "word pool\n", 6]);
});

test("feeds that cannot be used, and why", () => {
  const rows: readonly (readonly [readonly FeedFile[], RegExp])[] = [
    [files("Makefile"), /no entries/],
    [[], /no entries/],
    [files("badhelodir/sub/x"), /no database/],
    [files("badhelodir/x", "badhelodir/x"), /twice/],
    [files(`badmailfromdir/@${"x".repeat(260)}`), /longer than 255 bytes/],
    [files("badhelodir/a\0b"), /NUL/],
    [[file("badmailfrom", "@a.test\n../x\n")], /Line 2 .* "\/"/],
    [[file("badmailfrom", "a\0b\n")], /NUL/],
    [[file("badmailfrom", "..\n")], /name of a directory/],
    [[file("patterns", "word pool\nnonsense\n")], /Line 2/],
    [[file("badhelo", "x.test\n"), file("badrcptto", `${"y\n".repeat(limits.feeds.entries)}`)], /more than/],
  ];
  for (const [given, wanted] of rows) {
    const { problems } = readFeed(given);
    assert.match(problems.join("; "), wanted, String(wanted));
  }
});

test("10,000 entries are read in well under a second", () => {
  const given = files(...Array.from({ length: 10_000 }, (_, at) => `badmailfromdir/@bad-${at}.test`));
  const began = performance.now();
  const feed = readFeed(given);
  assert.deepEqual(broadEntries(feed, new Set(["a.test"]), new Set()), []);
  assert.equal(countOf(feed), 10_000);
  assert.ok(performance.now() - began < 1000);
});

test("entries that would refuse everyone, or us", () => {
  const ours = new Set(["mail.a.jp", "a.jp"]);
  const rows: readonly (readonly [string, RegExp | undefined])[] = [
    ["badhelodir/.com", /top-level domain/],
    ["badhelodir/...", /everyone/],
    ["badhelodir/.co.jp", /country/],
    ["badhelodir/.com.br", /country/],
    ["badhelodir/*.com", /"\*"/],
    ["badhelodir/.a.jp", /our own/],
    ["badhelodir/mail.a.jp", /our own/],
    ["badhelodir/.jp", /our own/],
    ["badhelodir/.localdomain", undefined],
    ["badhelodir/.bad.com", undefined],
    ["badhelodir/unknown/.jp", undefined],
    ["badhelodir/unknown/@", /everyone/],
    ["badmailfromdir/@", /everyone/],
    ["badmailfromdir/@a.jp", /our own/],
    ["badmailfromdir/.net", /top-level domain/],
    ["badmailfromdir/@bad.net", undefined],
    ["badmailfromdir/ann@a.jp", undefined],
    ["badrcpttodir/@a.jp", /all mail for a\.jp/],
    ["badrcpttodir/.jp", /all mail for/],
    ["badrcpttodir/trap@a.jp", undefined],
  ];
  for (const [path, wanted] of rows) {
    const feed = readFeed(files(path));
    const said = broadEntries(feed, ours, new Set()).join();
    if (wanted) assert.match(said, wanted, path);
    else assert.equal(said, "", path);
    const left = new Set([path.slice(path.lastIndexOf("/") + 1)]);
    assert.equal(broadEntries(feed, ours, left).join(), "", `${path}, left out`);
  }
  for (const line of ["suffix .com", "suffix .co.jp", "suffix .a.jp", "word out"]) {
    const feed = readFeed([file("patterns", `${line}\n`)]);
    const wanted = line === "word out" ? /^$/ : /dynamic/;
    assert.match(broadEntries(feed, ours, new Set()).join(), wanted, line);
  }
});

test("signatures: only what the key has signed counts", () => {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const other = generateKeyPairSync("ed25519");
  const content = [file("badhelodir/.bad.test"), file("patterns", "word pool\n")];
  const lines = content.map(({ path, bytes }) => `${hash("sha256", bytes)}  ${path}`);
  const manifest = (text: string, by = privateKey) => [
    file("MANIFEST", text),
    { path: "MANIFEST.sig", bytes: Buffer.from(sign(null, Buffer.from(text), by).toString("base64")) },
  ];
  const pem = publicKey.export({ format: "pem", type: "spki" }) as string;
  const raw = publicKey.export({ format: "der", type: "spki" }).subarray(-32).toString("base64");
  const good = `# serial 7\n${lines.join("\n")}\n`;
  for (const text of [pem, `${raw}\n`]) {
    const key = parseKey(text);
    assert.ok(key.ok);
    const check = (all: readonly FeedFile[]) => {
      const read = checkManifest(all, readFeed(all).files, key.value);
      return read.ok ? `serial ${read.value.serial}` : read.error;
    };
    assert.equal(check([...content, ...manifest(good)]), "serial 7");
    assert.equal(check([...content, ...manifest(lines.join("\n"))]), "serial undefined");
    assert.match(check(content), /not signed/);
    assert.match(check([...content, ...manifest(good, other.privateKey)]), /not by the key/);
    assert.match(check([...content, ...manifest(good).slice(0, 1)]), /not signed/);
    assert.match(
      check([...content, file("badhelodir/.more.test"), ...manifest(good)]),
      /not in its manifest/,
    );
    assert.match(check([...content.slice(1), ...manifest(good)]), /is missing/);
    const forged = [content[0] as FeedFile, file("patterns", "word mail\n"), ...manifest(good)];
    assert.match(check(forged), /not as its manifest says/);
    assert.match(check([...content, ...manifest("nonsense")]), /cannot be read/);
  }
  const rsa = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey;
  for (const wrong of ["", "x", rsa.export({ format: "pem", type: "spki" }) as string])
    assert.equal(parseKey(wrong).ok, false);
});
