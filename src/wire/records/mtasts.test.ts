import assert from "node:assert/strict";
import test from "node:test";
import { namesMx, parseStsPolicy, stsId } from "./mtasts.ts";

test("stsId() takes one record only", () => {
  const rows: readonly [records: string[], id: string | undefined][] = [
    [["v=STSv1; id=20160831085700Z;"], "20160831085700Z"],
    [["v=STSv1;id=a"], "a"],
    [["v=STSv1 ; id = a ; x=y"], "a"],
    [["other", "v=STSv1; id=1"], "1"],
    [["v=STSv1; id=1", "v=STSv1; id=1"], undefined],
    [["v=STSv1; id="], undefined],
    [[`v=STSv1; id=${"a".repeat(32)}`], "a".repeat(32)],
    [[`v=STSv1; id=${"a".repeat(33)}`], undefined],
    [["v=STSv1; id=a-b"], undefined],
    [["v=STSv12; id=1"], undefined],
    [[" v=STSv1; id=1"], undefined],
    [["id=1; v=STSv1;"], undefined],
    [[], undefined],
  ];
  for (const [records, id] of rows) assert.equal(stsId(records), id, JSON.stringify(records));
});

test("parseStsPolicy() reads what RFC 8461 has, and refuses what would mean anything", () => {
  const head = "version: STSv1\r\n";
  const good = parseStsPolicy(
    `${head}mode: enforce\r\nmx: MX.example.org\r\nmx: *.example.net\r\nmax_age: 604800\r\nmode: none\r\nnew: x\r\n`,
  );
  assert.deepEqual(good, {
    ok: true,
    value: { mode: "enforce", maxAge: 604_800, mx: ["mx.example.org", "*.example.net"] },
  });
  const rows: readonly [text: string, result: string][] = [
    ["version: STSv1\nmode: none\nmax_age: 0\n", "none 0"],
    ["version:STSv1\nmode:testing\nmx:a.example\nmax_age:99999999", "testing 31557600"],
    ["mode: none\nmax_age: 1\n", "it is of no version that is known"],
    [`${head}max_age: 1\nmx: a.example`, "it has no mode"],
    [`${head}mode: strict\nmax_age: 1\nmx: a.example`, "it has no mode"],
    [`${head}mode: enforce\nmx: a.example`, "it has no max_age"],
    [`${head}mode: enforce\nmx: a.example\nmax_age: -1`, "it has no max_age"],
    [`${head}mode: enforce\nmax_age: 1`, "it names no exchanger"],
    [`${head}mode: enforce\nmx: a*.example\nmax_age: 1`, "it has an exchanger that is no name"],
    [`${head}mode: enforce\nmx: *\nmax_age: 1`, "it has an exchanger that is no name"],
    [`${head}mode: enforce\n${"mx: a.example\n".repeat(101)}max_age: 1`, "it names too many exchangers"],
    ["<html>", "it is of no version that is known"],
    ["", "it is of no version that is known"],
  ];
  for (const [text, wanted] of rows) {
    const found = parseStsPolicy(text);
    assert.equal(found.ok ? `${found.value.mode} ${found.value.maxAge}` : found.error, wanted, text);
  }
});

test("namesMx() lets a wildcard stand for one label", () => {
  const patterns = ["mx.example.org", "*.example.net"];
  for (const host of ["mx.example.org", "MX.Example.Org.", "a.example.net"])
    assert.ok(namesMx(patterns, host), host);
  for (const host of ["example.net", "a.b.example.net", "mx2.example.org", "xmx.example.org", ""])
    assert.ok(!namesMx(patterns, host), host);
});
