import assert from "node:assert/strict";
import test from "node:test";
import { compileAssign, findAssigned, findInPasswd, parsePasswd } from "./assign.ts";

const ASSIGN = `=joe:joe:501:100:/home/joe:::
+joe-:joe:501:100:/home/joe:-::
=joe:other:1:1:/first/wins:::
+joe-list-:lists:502:100:/home/lists:-/:joe-:
=Big.Name:big:503:100:/home/big:-:x:left:out:
+:alias:7790:2108:/var/qmail/alias:-::
.
what stands below is not read
`;

const compiled = (text: string): Buffer => {
  const cdb = compileAssign(Buffer.from(text));
  assert.ok(cdb.ok, text);
  return cdb.value;
};

test("findAssigned(): exact before prefix, the longest prefix, the first of equals, any case, the rest as it was", () => {
  const cdb = compiled(ASSIGN);
  for (const [local, wanted] of [
    ["joe", "joe 501 100 /home/joe  "],
    ["JOE", "joe 501 100 /home/joe  "],
    ["joe-Foo", "joe 501 100 /home/joe - Foo"],
    ["Joe-", "joe 501 100 /home/joe - "],
    ["joe-list", "joe 501 100 /home/joe - list"],
    ["joe-LIST-A-B", "lists 502 100 /home/lists -/ joe-A-B"],
    ["big.name", "big 503 100 /home/big - x"],
    ["joey", "alias 7790 2108 /var/qmail/alias - joey"],
    ["Ümlaut", "alias 7790 2108 /var/qmail/alias - Ümlaut"],
    ["", "alias 7790 2108 /var/qmail/alias - "],
  ] as const) {
    const found = findAssigned(cdb, local);
    assert.ok(found.kind === "user", local);
    const { user, uid, gid, home, dash, extension } = found.user;
    assert.equal([user, uid, gid, home, dash, extension].join(" "), wanted, local);
  }
});

test("findAssigned(): nobody without a catch-all; numbers that are none and damage are told", () => {
  assert.equal(findAssigned(compiled("=joe:joe:1:1:/h:::\n.\n"), "bob").kind, "none");
  assert.equal(findAssigned(compiled(".\n"), "bob").kind, "none");
  assert.equal(findAssigned(compiled("=joe:joe:x:1:/h:::\n.\n"), "joe").kind, "damaged");
  assert.equal(findAssigned(compiled("=joe:joe:1::/h:::\n.\n"), "joe").kind, "damaged");
  assert.equal(findAssigned(Buffer.from("no cdb"), "joe").kind, "damaged");
});

test("compileAssign() wants six colons, a key and a final dot", () => {
  for (const [text, good] of [
    [".\n", true],
    [".", true],
    ["", false],
    ["=joe:joe:1:1:/h:::\n", false],
    ["=joe:joe:1:1:/h:::", false],
    ["=joe:joe:1:1:/h::\n.\n", false],
    [":joe:1:1:/h:::\n.\n", false],
    ["=joe\n.\n", false],
    ["\n.\n", false],
    ["=j\0:joe:1:1:/h:::\n.\n", false],
  ] as const)
    assert.equal(compileAssign(Buffer.from(text)).ok, good, JSON.stringify(text));
});

const PASSWD = `root:x:0:0:root:/root:/bin/bash
joe:x:501:100:Joe,,,:/home/joe:/bin/sh
joe-bar:x:502:101::/home/joe-bar:/bin/sh
gone:x:503:100::/home/gone:/bin/sh
gone-x:x:504:100::/home/gone-x:/bin/sh
alias:x:7790:2108::/var/qmail/alias:/bin/true
+nis::0:0:::
joe:x:999:999::/second:/bin/sh
abcdefghijklmnopqrstuvwxyz12345:x:600:1::/home/long31:
abcdefghijklmnopqrstuvwxyz123456:x:601:1::/home/long32:
broken line
`;

test("findInPasswd(): the rules of qmail-getpw", async () => {
  const accounts = parsePasswd(PASSWD);
  const owns = async ({ home }: { readonly home: string }) => !home.startsWith("/home/gone");
  for (const [local, wanted] of [
    ["joe", "joe 501 /home/joe  "],
    ["Joe", "joe 501 /home/joe  "],
    ["joe-bar", "joe-bar 502 /home/joe-bar  "],
    ["joe-bar-Baz", "joe-bar 502 /home/joe-bar - Baz"],
    ["joe-Foo-b", "joe 501 /home/joe - Foo-b"],
    ["joe-", "joe 501 /home/joe - "],
    ["joey", "alias 7790 /var/qmail/alias - joey"],
    ["root", "alias 7790 /var/qmail/alias - root"],
    ["gone", "alias 7790 /var/qmail/alias - gone"],
    ["gone-x", "alias 7790 /var/qmail/alias - gone-x"],
    ["-joe", "alias 7790 /var/qmail/alias - -joe"],
    ["abcdefghijklmnopqrstuvwxyz12345", "abcdefghijklmnopqrstuvwxyz12345 600 /home/long31  "],
    ["abcdefghijklmnopqrstuvwxyz123456", "alias 7790 /var/qmail/alias - abcdefghijklmnopqrstuvwxyz123456"],
  ] as const) {
    const found = await findInPasswd(accounts, local, "alias", owns);
    assert.ok(found, local);
    const { user, uid, home, dash, extension } = found;
    assert.equal([user, uid, home, dash, extension].join(" "), wanted, local);
  }
  assert.equal(await findInPasswd(accounts, "nobody", "not-there", owns), undefined);
  await assert.rejects(
    findInPasswd(accounts, "joe", "alias", async () => {
      throw new Error("the disk is away");
    }),
  );
});
