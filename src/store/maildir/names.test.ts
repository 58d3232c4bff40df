import assert from "node:assert/strict";
import test from "node:test";
import { newBase, originOf } from "./names.ts";
import { isJunk, isTrash } from "./purpose.ts";

test("originOf() knows deliveries, their copies and the copies of those, and nothing else", () => {
  const base = "1764000000.mifz2k1a-3f.12.mx.a.test,S=5,W=6";
  const origin = { id: "mifz2k1a-3f", index: 12 };
  assert.deepEqual(originOf(base), origin);
  const sizes = { file: 5, wire: 6 };
  const copy = newBase(1_764_000_001_000, "mx.a.test", { sizes, from: base });
  assert.match(copy, /^1764000001\.A[\w-]{12}\.mifz2k1a-3f\.12\.mx\.a\.test,S=5,W=6$/);
  assert.deepEqual(originOf(copy), origin);
  const again = newBase(1_764_000_002_000, "mx.a.test", { sizes, from: copy });
  assert.deepEqual(originOf(again), origin);
  assert.notEqual(newBase(0, "mx", { sizes, from: base }), newBase(0, "mx", { sizes, from: base }));
  const others = [
    newBase(1_764_000_000_000, "mx.a.test", { sizes }),
    "1764000000.M12P34.mx.a.test",
    "1764000000.1234_1.mx",
    "1764000000.t1.0.mx.example.test",
    "x.mifz2k1a-3f.12.mx",
    "",
  ];
  for (const other of others) assert.equal(originOf(other), undefined, other);
});

test("Junk and Trash are known by their names, wherever clients put them", () => {
  for (const name of [
    "Junk",
    "SPAM",
    "Junk E-mail",
    "INBOX/Junk",
    "inbox/spam",
    "Junk/2026",
    "迷惑メール",
    "Courrier inde\u0301sirable",
  ])
    assert.ok(isJunk(name) && !isTrash(name), name);
  for (const name of ["INBOX", "Junkyard", "Work/Junk", "", "INBOX/"]) assert.ok(!isJunk(name), name);
  for (const name of ["Trash", "INBOX/Trash", "Deleted Items", "Papierkorb"])
    assert.ok(isTrash(name) && !isJunk(name), name);
});
