import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { type Clock, systemClock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { Logger } from "#log/logger.ts";
import { parseAccount } from "#store/accounts/address.ts";
import { hashPassword } from "#store/accounts/credentials.ts";
import { Directory } from "#store/accounts/directory.ts";
import { SystemDomains } from "#store/accounts/systemdomains.ts";
import { answerVerbs } from "#talk/answerer.ts";
import { Caller } from "#talk/caller.ts";
import { login, redeem } from "#talk/login.ts";
import { isLocal, recipient, whereTo } from "#talk/lookup.ts";
import type { Existence } from "#talk/lspawn.ts";
import { FakeClock, settle } from "#test/support/clock.ts";
import { Auth } from "./main.ts";
import { Tickets } from "./tickets.ts";
import { Verifier } from "./verifier.ts";

const remember = 300_000;

type Peer = keyof Auth["verbs"];

interface World {
  readonly directory: Directory;
  readonly lines: string[];
  readonly auth: Auth;
  readonly ask: Readonly<Record<Peer, Caller>>;
}

/** auth on real sockets, with ann@example.test whose password is "right". */
async function world(context: TestContext, clock: Clock = systemClock): Promise<World> {
  const place = mkdtempSync(path.join(tmpdir(), "kenro-auth-"));
  const directory = new Directory(path.join(place, "directory.db"));
  const ann = parseAccount("ann@example.test");
  assert.ok(ann.ok);
  directory.addDomain("example.test", 1);
  directory.addDomain("both.test", 1);
  directory.addAccount(ann.value, await hashPassword("right"), 1);
  const lines: string[] = [];
  const log = new Logger({ role: "auth", clock, level: "info", sink: (line) => lines.push(line) });
  const system = new SystemDomains([
    { domain: "system.test", prepend: "" },
    { domain: "shop.test", prepend: "joe-shop" },
    { domain: "both.test", prepend: "" },
  ]);
  const systemUser = async (local: string): Promise<Existence> => ({
    kind: local === "joe" || local === "joe-shop-Info" ? "deliverable" : "unknown",
  });
  const auth = new Auth({ clock, log, directory, system, systemUser, readers: 3, remember, folders: true });
  const made = await Promise.all(
    Object.entries(auth.verbs).map(async ([peer, verbs]) => {
      const at = path.join(place, `${peer}.sock`);
      const answering = await answerVerbs(at, verbs, { trouble: (text) => lines.push(text) });
      return { peer, answering, caller: new Caller({ path: at, clock: systemClock }) };
    }),
  );
  context.after(() => {
    for (const { answering, caller } of made) {
      caller.close();
      answering.close();
    }
    directory.close();
    rmSync(place, { recursive: true, force: true });
  });
  const ask = Object.fromEntries(made.map(({ peer, caller }) => [peer, caller])) as World["ask"];
  return { directory, lines, auth, ask };
}

const asAnn = {
  protocol: "imap",
  user: "ann@example.test",
  password: "right",
  address: "192.0.2.7",
} as const;

test("each peer gets the answers it needs", async (context) => {
  const { ask } = await world(context);
  assert.deepEqual(await ask.smtpd.ask(recipient, { address: "Ann@example.test" }), { kind: "deliverable" });
  assert.deepEqual(await ask.smtpd.ask(recipient, { address: "bob@example.test" }), { kind: "unknown" });
  assert.deepEqual(await ask.smtpd.ask(recipient, { address: "ann@other.test" }), { kind: "elsewhere" });
  assert.deepEqual(await ask.local.ask(whereTo, { address: "postmaster@example.test" }), {
    kind: "mailbox",
    account: "ann@example.test",
    maildir: "mail/example.test/ann/Maildir",
  });
  assert.deepEqual(await ask.local.ask(whereTo, { address: "bob@example.test" }), { kind: "unknown" });
  assert.deepEqual(await ask.local.ask(whereTo, { address: "bob@other.test" }), { kind: "unknown" });
  assert.deepEqual(await ask.queue.ask(isLocal, { domain: "EXAMPLE.test" }), { local: true });
  assert.deepEqual(await ask.queue.ask(isLocal, { domain: "other.test" }), { local: false });
  // RFC 5321 §4.5.1: what smtpd takes for "postmaster" must find its way here, not out
  assert.deepEqual(await ask.smtpd.ask(recipient, { address: "Postmaster" }), { kind: "deliverable" });
  assert.deepEqual(await ask.queue.ask(isLocal, { domain: "" }), { local: true });
  assert.equal((await ask.local.ask(whereTo, { address: "Postmaster" })).kind, "mailbox");
});

test("a peer that asks what is not its business loses its link", async (context) => {
  const { ask } = await world(context);
  for (const wrong of [
    () => ask.gate.ask(recipient, { address: "ann@example.test" }),
    () => ask.smtpd.ask(redeem, { ticket: "x" }),
    () => ask.local.ask(login, asAnn),
    () => ask.queue.ask(whereTo, { address: "ann@example.test" }),
    () => ask.reader.ask(isLocal, { domain: "example.test" }),
  ])
    await assert.rejects(wrong(), { name: "Trouble" });
});

test("a login at the gate gives a ticket that the reader redeems once", async (context) => {
  const { ask, lines } = await world(context);
  const answer = await ask.gate.ask(login, asAnn);
  assert.equal(answer.kind, "welcome");
  assert.ok(answer.kind === "welcome");
  assert.equal(answer.account, "ann@example.test");
  assert.ok(answer.reader >= 0 && answer.reader < 3);
  assert.deepEqual(await ask.reader.ask(redeem, { ticket: answer.ticket }), {
    kind: "redeemed",
    account: "ann@example.test",
    maildir: "mail/example.test/ann/Maildir",
  });
  assert.deepEqual(await ask.reader.ask(redeem, { ticket: answer.ticket }), { kind: "unknown" });
  assert.deepEqual(await ask.reader.ask(redeem, { ticket: "" }), { kind: "unknown" });
  assert.match(
    lines.join("\n"),
    /auth_login protocol=imap user=ann@example.test ip=192.0.2.7 result=welcome/,
  );
  assert.ok(!lines.join("\n").includes("right"), "the password is in the log");
});

test("smtpd learns who it is and gets no ticket; it cannot log in for imap", async (context) => {
  const { ask } = await world(context);
  const answer = await ask.smtpd.ask(login, { ...asAnn, protocol: "smtp" });
  assert.deepEqual(answer, {
    kind: "welcome",
    account: "ann@example.test",
    addresses: ["ann@example.test"],
    ticket: "",
    reader: 0,
  });
  await assert.rejects(ask.smtpd.ask(login, asAnn), { name: "Trouble" });
  await assert.rejects(ask.gate.ask(login, { ...asAnn, protocol: "smtp" }), { name: "Trouble" });
});

test("a wrong password, an unknown user and a deleted account are denied alike", async (context) => {
  const { ask, directory } = await world(context);
  const denied = { kind: "denied" };
  assert.deepEqual(await ask.gate.ask(login, { ...asAnn, password: "wrong" }), denied);
  assert.deepEqual(await ask.gate.ask(login, { ...asAnn, password: "" }), denied);
  assert.deepEqual(await ask.gate.ask(login, { ...asAnn, user: "bob@example.test" }), denied);
  assert.deepEqual(await ask.gate.ask(login, { ...asAnn, user: "postmaster@example.test" }), denied);
  assert.equal((await ask.gate.ask(login, asAnn)).kind, "welcome");
  directory.deleteAccount("ann@example.test");
  assert.deepEqual(await ask.gate.ask(login, asAnn), denied);
});

const account = (password: string) => ({ address: "ann@example.test", password });

test("a right password is derived once and remembered for a while; a changed one is forgotten", async () => {
  const clock = new FakeClock();
  let derived = 0;
  const verifier = new Verifier({
    clock,
    remember,
    verify: async (password, stored) => {
      derived++;
      return stored === `hash of ${password}`;
    },
  });
  for (const [stored, password, right, cost] of [
    ["hash of a", "a", true, 1],
    ["hash of a", "a", true, 0],
    ["hash of a", "b", false, 1],
    ["hash of a", "b", false, 1],
    ["hash of b", "a", false, 1],
    ["hash of b", "b", true, 1],
    ["hash of b", "b", true, 0],
  ] as const) {
    const before = derived;
    assert.equal(await verifier.right(account(stored), password), right);
    assert.equal(derived - before, cost, `${password} against ${stored}`);
  }
  const before = derived;
  assert.equal(await verifier.right(undefined, "a"), false);
  assert.equal(derived - before, 1, "an unknown user costs as much as a wrong password");
  await clock.advance(remember);
  assert.equal(await verifier.right(account("hash of b"), "b"), true);
  assert.equal(derived - before, 2, "what was remembered has an end");
  verifier.remember = 0;
  await clock.advance(remember);
  for (let n = 0; n < 2; n++) assert.equal(await verifier.right(account("hash of b"), "b"), true);
  assert.equal(derived - before, 4, "0 remembers nothing");
});

test("few passwords are derived at a time, and too many waiting are sent away", async () => {
  let running = 0;
  let most = 0;
  const open: (() => void)[] = [];
  const verifier = new Verifier({
    clock: new FakeClock(),
    remember,
    verify: async () => {
      most = Math.max(most, ++running);
      await new Promise<void>((resolve) => open.push(resolve));
      running--;
      return true;
    },
  });
  const { verifications, verificationsWaiting } = limits.login;
  const asked = Array.from({ length: verifications + verificationsWaiting }, (_, n) =>
    verifier.right(account("x"), `${n}`),
  );
  await assert.rejects(verifier.right(account("x"), "one more"), { name: "Trouble" });
  while (open.length > 0) {
    for (const resolve of open.splice(0)) resolve();
    await settle(3);
  }
  assert.ok((await Promise.all(asked)).every(Boolean));
  assert.equal(most, verifications);
  const next = verifier.right(account("x"), "after");
  await settle(1);
  for (const resolve of open.splice(0)) resolve();
  assert.equal(await next, true);
});

test("tickets end with their life and are bounded in number", async () => {
  const clock = new FakeClock();
  const tickets = new Tickets(clock);
  const holder = { account: "a", maildir: "m" };
  const [kept, late] = [tickets.issue(holder), tickets.issue(holder)];
  await clock.advance(limits.login.ticketLife - 1);
  assert.deepEqual(tickets.redeem(kept), holder);
  await clock.advance(1);
  assert.equal(tickets.redeem(late), undefined);
  const first = tickets.issue(holder);
  for (let n = 0; n < limits.login.tickets; n++) tickets.issue(holder);
  assert.equal(tickets.size, limits.login.tickets);
  assert.equal(tickets.redeem(first), undefined);
  await clock.advance(limits.login.ticketLife);
  tickets.issue(holder);
  assert.equal(tickets.size, 1, "those that have ended are dropped");
});

test("addresses of users of the machine: accounts first, then as lspawn says, by the name that it knows", async (context) => {
  const { ask, directory } = await world(context);
  const ann = parseAccount("ann@both.test");
  assert.ok(ann.ok);
  directory.addAccount(ann.value, "hash", 1);
  for (const [address, kind, destination] of [
    ["ann@both.test", "deliverable", "mailbox"],
    ["joe@both.test", "deliverable", { kind: "system", local: "joe", host: "both.test" }],
    ["bob@both.test", "unknown", { kind: "system", local: "bob", host: "both.test" }],
    ['"joe"@SYSTEM.test', "deliverable", { kind: "system", local: "joe", host: "system.test" }],
    ["Joe-Foo@system.test", "unknown", { kind: "system", local: "Joe-Foo", host: "system.test" }],
    ["Info@shop.test", "deliverable", { kind: "system", local: "joe-shop-Info", host: "shop.test" }],
    ["PostMaster@system.test", "deliverable", "mailbox"],
    ["joe@elsewhere.test", "elsewhere", { kind: "unknown" }],
  ] as const) {
    assert.equal((await ask.smtpd.ask(recipient, { address })).kind, kind, address);
    const found = await ask.local.ask(whereTo, { address });
    assert.deepEqual(typeof destination === "string" ? found.kind : found, destination, address);
  }
  for (const [domain, local] of [
    ["system.test", true],
    ["shop.test", true],
    ["both.test", true],
    ["elsewhere.test", false],
  ] as const)
    for (const peer of ["smtpd", "queue"] as const)
      assert.deepEqual(await ask[peer].ask(isLocal, { domain }), { local }, domain);
});
