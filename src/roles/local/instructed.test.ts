import assert from "node:assert/strict";
import test from "node:test";
import { Trouble } from "#base/problem.ts";
import { Logger } from "#log/logger.ts";
import type { Instructed } from "#talk/lookup.ts";
import type { ProgramRun } from "#talk/lspawn.ts";
import { FakeClock } from "#test/support/clock.ts";
import { followInstructions, type Hands } from "./instructed.ts";

const delivery = {
  id: "abc-1",
  arrived: 1_700_000_000_999,
  sender: "s@x.test",
  body: "8bitmime",
  submitted: false,
  place: { kind: "file", name: "abc-1", size: 1 },
  again: false,
  domain: "",
  recipients: [],
} as const;

function follow(text: string, over: Partial<Instructed> = {}, hands: Partial<Hands> = {}) {
  const kept: string[] = [];
  const programs: ProgramRun[] = [];
  const clock = new FakeClock();
  const answer: Instructed = {
    kind: "instructions",
    account: "ann@a.test",
    maildir: "mail/a.test/ann/Maildir",
    text,
    name: "news-default",
    ext: "news-x",
    rest: "x",
    owner: "none",
    ...over,
  };
  const outcome = followInstructions(
    { delivery, index: 3, address: "ann-news-x@a.test", answer },
    {
      clock,
      log: new Logger({ role: "local", clock, level: "info", sink: () => {} }),
      keep: async (folder, copy) => void kept.push(`${folder ?? "inbox"} ${copy}`),
      runProgram: async (question) => {
        programs.push(question);
        return { end: "done", report: "" };
      },
      ...hands,
    },
  );
  return outcome.then((ended) => ({ ended, kept, programs }));
}

test("an account has its Maildir and folders of it; addresses without a domain are in its own", async () => {
  const { ended, kept } = await follow("./Maildir/\n./Maildir/.Lists.x/\n./Maildir/\n&bob\ncarl@x.test\n", {
    owner: "owner",
  });
  assert.deepEqual(kept, ["inbox 0", "Lists.x 0", "inbox 1"]);
  assert.deepEqual(ended, {
    kind: "forwarded",
    by: "did 3+2+0",
    letter: {
      recipients: ["bob@a.test", "carl@x.test"],
      prefix: "Delivered-To: ann-news-x@a.test\r\n",
      sender: "ann-news-x-owner@a.test",
    },
  });
});

test("nothing else on this disk is an account's", async () => {
  for (const line of [
    "/etc/",
    "./Maildir/../../bob/Maildir/",
    "./Maildir/.x/../",
    "../bob/Maildir/",
    "./Other/",
    "./Maildir/new/",
    "./Mailbox",
    "/var/mail/ann",
  ]) {
    const { ended, kept } = await follow(`${line}\n`);
    assert.equal(ended.kind === "deferred" && ended.why.code, "4.2.1", line);
    assert.deepEqual(kept, [], line);
  }
});

test("a program is given to lspawn with its variables and its key; its end counts, and who is away defers", async () => {
  const { ended, programs } = await follow("|a b\n|a b\n");
  assert.deepEqual(ended, { kind: "delivered", by: "did 0+0+2" });
  assert.deepEqual(
    programs.map(({ command, index, again }) => [command, index, again]),
    [
      ["a b", 3, false],
      ["a b", 3, false],
    ],
  );
  assert.match(programs[0]?.key ?? "", /^[0-9a-f]{16}\.0$/);
  assert.match(programs[1]?.key ?? "", /^[0-9a-f]{16}\.1$/);
  const variables = new Map(programs[0]?.variables.map(([name = "", value = ""]) => [name, value]));
  const wanted = {
    USER: "ann@a.test",
    HOME: "/tmp",
    LOCAL: "ann-news-x",
    EXT: "news-x",
    EXT2: "x",
    DEFAULT: "x",
    NEWSENDER: "s@x.test",
  };
  for (const [name, value] of Object.entries(wanted)) assert.equal(variables.get(name), value, name);
  for (const [end, kind] of [
    ["failed", "failed"],
    ["deferred", "deferred"],
    ["stop", "delivered"],
  ] as const) {
    const runProgram = async () => ({ end, report: "said" });
    const { ended: after, kept } = await follow("|x\n./Maildir/\n", {}, { runProgram });
    assert.equal(after.kind, kind);
    assert.deepEqual(kept, []);
  }
  const away = await follow(
    "|x\n",
    {},
    {
      runProgram: async () => {
        throw new Trouble("ask", "away");
      },
    },
  );
  assert.equal(away.ended.kind, "deferred");
});
