import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import test from "node:test";
import { quickDisk } from "#sys/quickdisk.ts";
import { temporaryDirectory } from "#test/support/temporary.ts";
import { compileAssign } from "#wire/dotqmail/assign.ts";
import { Users } from "./users.ts";

test("users/assign comes before passwd, files count as they are now, and a broken one is trouble", async (context) => {
  const at = temporaryDirectory(context);
  const uid = fs.statSync(at).uid;
  // whose home is whose is asked of the system; as root this directory is root's, who is nobody's user
  const own = uid === 0 ? 4711 : uid;
  if (uid === 0) fs.chownSync(at, own, own);
  const [assign, passwd] = [path.join(at, "assign"), path.join(at, "passwd")];
  const users = new Users({ disk: quickDisk, assign, passwd, alias: "alias" });
  const found = async (local: string) => {
    const user = await users.find(local);
    return user && `${user.user} ${user.uid} ${user.dash}${user.extension}`;
  };
  assert.equal(await found("joe"), undefined);
  fs.writeFileSync(passwd, `joe:x:${own}:${own}::${at}:\nfar:x:${own}:${own}::${at}/none:\n`);
  assert.equal(await found("joe-x"), `joe ${own} -x`);
  assert.equal(await found("far"), undefined);
  fs.writeFileSync(passwd, `joe:x:${own}:${own}::${at}:\nalias:x:9:9::/nowhere:\n`);
  assert.equal(await found("far"), "alias 9 -far");
  fs.writeFileSync(assign, "=joe:other:7:7:/h:::\n.\n");
  assert.equal(await found("joe"), "other 7 ");
  assert.equal(await found("joe-x"), `joe ${own} -x`);
  fs.writeFileSync(assign, "=joe:other:7:7:/h:::\n");
  await assert.rejects(users.find("joe"), /bad format in users\/assign/);
  fs.rmSync(assign);
  assert.equal(await found("joe"), `joe ${own} `);
  const compiled = compileAssign(Buffer.from("+:all:8:8:/h:-::\n.\n"));
  assert.ok(compiled.ok);
  fs.writeFileSync(path.join(at, "cdb"), compiled.value);
  const byCdb = new Users({ disk: quickDisk, assign: path.join(at, "cdb"), passwd: "", alias: "alias" });
  assert.equal((await byCdb.find("X-y"))?.extension, "X-y");
  fs.writeFileSync(path.join(at, "cdb"), compiled.value.subarray(0, 100));
  await assert.rejects(byCdb.find("x"), /Cannot use/);
});
