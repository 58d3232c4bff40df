import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { type Member, pax, tarMember, tarOf } from "#test/support/tar.ts";
import { readTar } from "./tar.ts";

const seed = Number(process.env["FUZZ_SEED"] ?? 20_261_124);
const most = { files: 100, file: 10_000 };

const paths = (archive: Buffer) => {
  const read = readTar(archive, most);
  return read.ok ? read.value.map(({ path }) => path) : read.error;
};

test("files come out with their bytes; directories, pax headers and long names are understood", () => {
  const long = `badmailfromdir/${"x".repeat(180)}@bad.test`;
  const archive = tarOf(
    { path: "./", type: "5" },
    { path: "pax_global_header", type: "g", bytes: "52 comment=0123456789012345678901234567890123456789\n" },
    { path: "./badhelodir/", type: "5" },
    { path: "./badhelodir/.bad.test" },
    { path: "patterns", bytes: "word dyn\n" },
    pax({ path: long, mtime: "1.5" }),
    { path: "short" },
    { path: "././@LongLink", type: "L", bytes: `${long}2\0` },
    { path: "short" },
    { path: "next" },
  );
  assert.deepEqual(paths(archive), ["badhelodir/.bad.test", "patterns", long, `${long}2`, "next"]);
  const read = readTar(archive, most);
  assert.equal(read.ok && read.value[1]?.bytes.toString(), "word dyn\n");
  assert.deepEqual(paths(tarOf()), []);
});

test("what could lead elsewhere, or is no file, refuses the archive", () => {
  const rows: readonly (readonly [readonly Member[], RegExp])[] = [
    [[{ path: "../badhelodir/x" }], /has the path/],
    [[{ path: "badhelodir/../../x" }], /has the path/],
    [[{ path: "/etc/passwd" }], /has the path/],
    [[{ path: "badhelodir//x" }], /has the path/],
    [[{ path: "badhelodir/." }], /has the path/],
    [[{ path: ".." }], /has the path/],
    [[{ path: "a\\b" }], /has the path/],
    [[{ path: "a\nb" }], /has the path/],
    [[{ path: "", type: "0" }], /has the path/],
    [[{ path: "x/" }], /has the path/],
    [[pax({ path: "a\0b" }), { path: "x" }], /has the path "a\?b"/],
    [[pax({ path: "../x" }), { path: "x" }], /has the path/],
    [[{ path: "l", type: "L", bytes: "../../x\0" }, { path: "x" }], /has the path/],
    [[{ path: "x", type: "2" }], /neither a file nor a directory/],
    [[{ path: "x", type: "1" }], /neither a file nor a directory/],
    [[{ path: "x", type: "3" }], /neither a file nor a directory/],
    [[{ path: "x", size: 10_001 }], /too large/],
    [[{ path: "x", type: "x", size: 70_000 }], /too large/],
    [[{ path: "x", size: 9000 }], /cut off/],
    [[pax({ size: "99999999999" }), { path: "x" }], /too large/],
    [[{ path: "x", type: "x", bytes: "9 path=x\n99 y" }], /pax header/],
    [[{ path: "x", type: "x", bytes: "path=x\n" }], /pax header/],
    [Array.from({ length: 101 }, (_, at) => ({ path: `f${at}` })), /more than 100 files/],
  ];
  for (const [members, wanted] of rows) {
    const said = paths(tarOf(...members));
    assert.match(typeof said === "string" ? said : said.join(), wanted, JSON.stringify(members[0]));
  }
  assert.match(String(paths(tarMember({ path: "x" }))), /cut off/);
  assert.match(String(paths(Buffer.alloc(512, "x"))), /no tar archive/);
});

test("bytes turned at random are read or refused, never thrown at", () => {
  const good = tarOf(pax({ path: "badhelodir/x" }), { path: "y", bytes: "abc" }, { path: "z" });
  const turns = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(turns, fc.nat(good.length), (turned, end) => {
      const bytes = Buffer.from(good);
      for (const [at, byte] of turned) bytes[at] = byte;
      const read = readTar(bytes.subarray(0, end), most);
      if (!read.ok) return;
      for (const { path } of read.value) assert.doesNotMatch(path, /(?:^|\/)\.{0,2}(?:\/|$)|[\0\n]/);
    }),
    { seed, numRuns: 3000 },
  );
});
