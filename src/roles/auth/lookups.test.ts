import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { limits } from "#base/limits.ts";
import { parseAccount } from "#store/accounts/address.ts";
import { Directory } from "#store/accounts/directory.ts";
import { FakeClock } from "#test/support/clock.ts";
import { Lookups } from "./lookups.ts";

function at(address: string) {
  const parsed = parseAccount(address);
  assert.ok(parsed.ok, address);
  return parsed.value;
}

function place(context: TestContext) {
  const root = mkdtempSync(path.join(tmpdir(), "kenro-lookups-"));
  const directory = new Directory(path.join(root, "directory.db"));
  context.after(() => {
    directory.close();
    rmSync(root, { recursive: true, force: true });
  });
  const clock = new FakeClock();
  directory.addDomain("a.test", 1);
  for (const user of ["ann", "bob"]) directory.addAccount(at(`${user}@a.test`), "hash", 1);
  return { directory, clock, lookups: new Lookups({ clock, directory, folders: true }) };
}

const home = { account: "ann@a.test", maildir: "mail/a.test/ann/Maildir" };

test("mail goes to a mailbox, on, or to both; what is wrong with an address says whether it lasts", (context) => {
  const { directory, lookups } = place(context);
  const add = (address: string, targets: readonly string[], by?: string) =>
    directory.lists.add(at(address), { to: targets, owner: by, verp: false }, 1);
  add("sales@a.test", ["bob@a.test", "x@far.test"]);
  add("team@a.test", ["ann@a.test"], "bob@a.test");
  add("empty@a.test", [], "bob@a.test");
  for (let n = 0; n < 12; n++) add(`h${n}@a.test`, [`h${n + 1}@a.test`]);
  const both = () => [lookups.recipient("ann@a.test"), lookups.whereTo("ann@a.test")];
  assert.deepEqual(both(), [{ kind: "deliverable" }, { kind: "mailbox", ...home }]);
  directory.setAccount("ann@a.test", { forwards: ["x@far.test"] });
  assert.deepEqual(both()[1], { kind: "mailbox", ...home, copies: ["x@far.test"] });
  directory.setAccount("ann@a.test", { keep: false });
  assert.deepEqual(both()[1], { kind: "forward", to: ["x@far.test"] });
  directory.setInstructions("ann@a.test", "", "&y@far.test\n");
  const instructed = {
    kind: "instructions",
    ...home,
    text: "&y@far.test\n",
    name: "",
    ext: "",
    owner: "none",
  };
  assert.deepEqual(both(), [{ kind: "deliverable" }, instructed]);
  directory.setAccount("ann@a.test", { suspended: true });
  const suspended = { kind: "denied", why: { code: "4.2.1", text: "This mailbox is suspended" } };
  assert.deepEqual(both(), [suspended, suspended]);
  const to = ["bob@a.test", "x@far.test"];
  assert.deepEqual(lookups.whereTo("sales@a.test"), { kind: "forward", to });
  assert.deepEqual(lookups.recipient("sales@a.test"), { kind: "deliverable" });
  const owner = "team-owner@a.test";
  assert.deepEqual(lookups.whereTo("team@a.test"), { kind: "forward", to: ["ann@a.test"], owner });
  for (const [address, code] of [
    ["empty@a.test", "5.2.4"],
    ["h0@a.test", "5.4.6"],
  ] as const)
    for (const answer of [lookups.recipient(address), lookups.whereTo(address)])
      assert.equal(answer.kind === "denied" && answer.why.code, code, address);
  assert.deepEqual(lookups.recipient("nobody@a.test"), { kind: "unknown" });
  assert.deepEqual(lookups.recipient("x@far.test"), { kind: "elsewhere" });
  assert.deepEqual(lookups.whereTo("x@far.test"), { kind: "unknown" });
});

test("an extension names a folder, unless it has a mailbox of its own or that is switched off", (context) => {
  const { directory, lookups } = place(context);
  assert.deepEqual(lookups.whereTo("ann-News@a.test"), { kind: "mailbox", ...home, folder: "news" });
  directory.setExtension("ann@a.test", { ext: "news", mailbox: true, password: undefined });
  const own = { ...home, maildir: "mail/a.test/ann-news/Maildir" };
  assert.deepEqual(lookups.whereTo("ann-News@a.test"), { kind: "mailbox", ...own });
  lookups.folders = false;
  assert.deepEqual(lookups.whereTo("ann-x@a.test"), { kind: "mailbox", ...home });
});

test("what fits into a mailbox is known from what local has told, for a while", async (context) => {
  const { directory, lookups, clock } = place(context);
  directory.setAccount("ann@a.test", { quota: 100, messages: 3 });
  const ask = () => lookups.recipient("ann@a.test");
  const told = (bytes: number, messages: number) => lookups.used({ at: home.maildir, bytes, messages });
  assert.deepEqual(ask(), { kind: "deliverable", most: 100 });
  told(30, 1);
  assert.deepEqual(ask(), { kind: "deliverable", most: 100, room: 70 });
  told(130, 1);
  assert.deepEqual(ask(), { kind: "deliverable", most: 100, room: 0 });
  told(30, 3);
  assert.deepEqual(ask(), { kind: "deliverable", most: 100, room: 0 });
  // where nothing stays there is no room to be had
  directory.setAccount("ann@a.test", { forwards: ["x@far.test"], keep: false });
  assert.deepEqual(ask(), { kind: "deliverable" });
  directory.setAccount("ann@a.test", { keep: true });
  assert.equal(ask().kind === "deliverable" && "room" in ask(), true);
  await clock.advance(limits.directory.usage.life);
  assert.deepEqual(ask(), { kind: "deliverable", most: 100 });
  directory.setAccount("ann@a.test", { quota: 0, messages: 0 });
  told(30, 3);
  assert.deepEqual(ask(), { kind: "deliverable" });
});

test("what a domain may have altogether bounds each of its accounts", (context) => {
  const { directory, lookups } = place(context);
  directory.setDomain("a.test", { totalQuota: 80 });
  const ask = () => lookups.recipient("ann@a.test");
  assert.deepEqual(ask(), { kind: "deliverable", most: 80 });
  const shared = { directory: "mail/a.test", bytes: 80, messages: 0 };
  assert.deepEqual(lookups.whereTo("ann@a.test"), { kind: "mailbox", ...home, shared });
  directory.setAccount("ann@a.test", { quota: 50 });
  lookups.used({ at: "mail/a.test", bytes: 70, messages: 9 });
  assert.deepEqual(ask(), { kind: "deliverable", most: 50, room: 10 });
  lookups.used({ at: home.maildir, bytes: 45, messages: 1 });
  assert.deepEqual(ask(), { kind: "deliverable", most: 50, room: 5 });
});
