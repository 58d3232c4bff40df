import assert from "node:assert/strict";
import test from "node:test";
import { altNames } from "./altnames.ts";

test("altNames() gives the names of one kind, and nothing that only looks like one", () => {
  for (const [text, kind, wanted] of [
    ["DNS:a.test, DNS:*.b.test, IP Address:127.0.0.1, email:ann@a.test", "DNS", ["a.test", "*.b.test"]],
    ["DNS:a.test, email:ann@a.test, email:bob@a.test", "email", ["ann@a.test", "bob@a.test"]],
    // a single name that holds a comma (CVE-2021-44532)
    ['DNS:"a.test, DNS:bank.test"', "DNS", []],
    ['email:"x\\", email:ann@a.test", DNS:b.test', "email", []],
    ['email:"x\\", email:ann@a.test", DNS:b.test', "DNS", ["b.test"]],
    ["URI:http://x/DNS:a.test", "DNS", []],
    ["", "DNS", []],
    [undefined, "DNS", []],
  ] as const)
    assert.deepEqual(altNames(text, kind), wanted, String(text));
});
