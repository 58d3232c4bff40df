import assert from "node:assert/strict";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { systemClock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { realDisk, replaceSynced } from "#sys/disk.ts";
import { quickDisk } from "#sys/quickdisk.ts";
import { Workshop } from "#sys/workshop.ts";
import { policyWorld } from "#test/support/policyworld.ts";
import { TableResolver } from "#test/support/table.ts";
import { temporaryDirectory } from "#test/support/temporary.ts";
import { type Decision, Judge } from "../judge.ts";
import { openSiteRules } from "./rules.ts";
import { readVerdict } from "./verdict.ts";

interface Place {
  readonly told: string[];
  write(name: string, source: string): Promise<void>;
  remove(name: string): Promise<boolean>;
  ask(sender?: string): Promise<Decision | undefined>;
}

async function place(context: TestContext): Promise<Place> {
  const directory = temporaryDirectory(context);
  const told: string[] = [];
  const trouble = (text: string) => void told.push(text);
  const workshop = new Workshop({ clock: systemClock, time: 300, memory: 64 });
  // the thread does not keep the test's process alive
  const alive = setInterval(() => {}, 1000);
  context.after(() => {
    workshop.close();
    clearInterval(alive);
  });
  const site = openSiteRules({ clock: systemClock, disk: quickDisk, directory, workshop, trouble });
  const resolver = new TableResolver({
    "10.2.0.192.in-addr.arpa": { PTR: ["mail.good.test"] },
    "mail.good.test": { A: ["192.0.2.10"] },
    "good.test": { MX: ["10 mail.good.test"] },
  });
  const world = policyWorld({ clock: systemClock, resolver });
  await realDisk.makeDirectory(path.join(directory, "site"), 0o755);
  return {
    told,
    write: (name, source) => replaceSynced(realDisk, path.join(directory, "site", name), Buffer.from(source)),
    remove: (name) => realDisk.remove(path.join(directory, "site", name)),
    ask: async (sender = "x@good.test") => {
      const thresholds = { reject: 10, suspicious: 7 };
      const judge = new Judge(
        { world, site, thresholds, modes: new Map(), spared: new Set(), trouble },
        "192.0.2.10",
      );
      judge.hello("mail.good.test");
      judge.sender(sender);
      return judge.recipient("ann@a.test", 0);
    },
  };
}

test("a file is a rule from the next session on, sees plain facts, and is gone with its file", async (context) => {
  const { told, write, remove, ask } = await place(context);
  assert.equal(await ask(), undefined);
  await write(
    "bills.ts",
    `interface Facts { sender: { domain: string }; client: { name: string | null }; recipient: { address: string } }
     export const stage = "recipient";
     export function judge({ sender, client, recipient }: Facts) {
       if (sender.domain !== "good.test") return undefined;
       return { kind: "reject", text: "No bills", code: 554, evidence: [client.name, recipient.address].join() };
     }`,
  );
  const said = await ask();
  assert.deepEqual(
    [said?.rule, said?.code, said?.text, said?.evidence],
    ["site/bills", 554, "No bills", "mail.good.test,ann@a.test"],
  );
  for (const text of ["first", "second", "third"]) {
    await write(
      "bills.ts",
      `export const stage = "sender"; export const judge = () => ({ kind: "defer", text: "${text}" });`,
    );
    assert.deepEqual([(await ask())?.code, (await ask())?.text], [451, text]);
  }
  await remove("bills.ts");
  assert.equal(await ask(), undefined);
  assert.deepEqual(told, []);
});

test("points count in the score; modes are heeded; everything else in the directory is left alone", async (context) => {
  const { told, write, ask } = await place(context);
  await write(
    "a.ts",
    'export const stage = "recipient"; export const judge = () => ({ kind: "score", points: 6, evidence: "a" });',
  );
  await write(
    "b.ts",
    'export const stage = "connect"; export const judge = () => ({ kind: "score", points: 6, evidence: "b" });',
  );
  await write("notes.txt", "not a rule");
  const said = await ask();
  assert.equal(said?.rule, "score");
  assert.match(said?.evidence ?? "", /site\/b 6 \(b\); site\/a 6 \(a\)/);
  await write(
    "b.ts",
    'export const stage = "connect"; export const mode = "observe"; export const judge = () => ({ kind: "score", points: 6 });',
  );
  assert.equal(await ask(), undefined);
  assert.deepEqual(told, []);
});

test("what is broken refuses no mail, is told, and does not break its neighbours", async (context) => {
  const { told, write, remove, ask } = await place(context);
  await write(
    "good.ts",
    'export const stage = "recipient"; export const judge = () => ({ kind: "reject", text: "good" });',
  );
  const rows: readonly (readonly [string, RegExp])[] = [
    ["export const = 1", /bad\.ts is not used/],
    [
      'export const stage = "body"; export const judge = () => 1',
      /bad\.ts is not used: .*"stage" is not one of/,
    ],
    ['export const stage = "sender";', /bad\.ts is not used: .*no function/],
    [
      'import fs from "./x.ts"; export const stage = "sender"; export const judge = () => 1',
      /bad\.ts is not used/,
    ],
    [`// ${"x".repeat(limits.site.file)}`, /longer than/],
    [
      'export const stage = "sender"; export const judge = () => { throw new Error("oops"); };',
      /site\/bad failed.*oops/,
    ],
    [
      'export const stage = "sender"; export const judge = () => ({ kind: "reject", text: "a\\r\\nb" });',
      /site\/bad failed.*ASCII/,
    ],
    [
      'export const stage = "sender"; export const judge = () => { for (;;); };',
      /site\/bad failed.*longer than 300 ms/,
    ],
    ["for (;;);", /bad\.ts is not used: it takes longer/],
  ];
  // on a busy machine a new thread may need more time than a session gives it
  const isGood = async (what: string) => {
    for (let turn = 0; turn < 20; turn++) if ((await ask())?.text === "good") return;
    assert.fail(`never good: ${what}`);
  };
  for (const [source, wanted] of rows) {
    told.length = 0;
    await write("bad.ts", source);
    await isGood(source.slice(0, 100));
    assert.match(told.join("\n"), wanted, source.slice(0, 100));
  }
  // a rule that always hangs is off until its file changes
  await write("bad.ts", 'export const stage = "sender"; export const judge = () => { while (true); };');
  for (let turn = 0; turn < limits.site.lost; turn++) await ask();
  told.length = 0;
  await isGood("a hanging rule is off");
  assert.deepEqual(told, []);
  await remove("good.ts");
  await write(
    "bad.ts",
    'export const stage = "sender"; export const judge = () => ({ kind: "reject", text: "mended" });',
  );
  assert.equal((await ask())?.text, "mended");
});

test("verdicts of site rules are read strictly", () => {
  const rows: readonly (readonly [unknown, string | RegExp])[] = [
    [null, "accept"],
    [{ kind: "accept", evidence: "x" }, "accept"],
    [{ kind: "reject", text: "no" }, "reject 550"],
    [{ kind: "reject", text: "no", code: 553, enhanced: "5.1.8" }, "reject 553"],
    [{ kind: "defer", text: "later" }, "defer 451"],
    [{ kind: "score", points: -2 }, "score"],
    [{ kind: "slow", ms: 100 }, "slow"],
    [{ kind: "reject" }, /needs a text/],
    [{ kind: "reject", text: "é" }, /ASCII/],
    [{ kind: "reject", text: "no", code: 450 }, /code from 500/],
    [{ kind: "defer", text: "no", code: 550 }, /code from 400/],
    [{ kind: "defer", text: "no", enhanced: "5.7.1" }, /enhanced/],
    [{ kind: "reject", text: "x".repeat(401) }, /at most 400/],
    [{ kind: "score", points: 1000 }, /points/],
    [{ kind: "score" }, /needs points/],
    [{ kind: "slow" }, /needs ms/],
    [{ kind: "slow", ms: 1e9 }, /ms/],
    [{ kind: "forget" }, /kind/],
    ["reject", /object/],
    [[], /object/],
  ];
  for (const [said, wanted] of rows) {
    const verdict = readVerdict(said);
    const shown = verdict.ok
      ? [verdict.value.kind, "code" in verdict.value ? verdict.value.code : ""].join(" ").trim()
      : verdict.error;
    if (typeof wanted === "string") assert.equal(shown, wanted, JSON.stringify(said));
    else assert.match(shown, wanted, JSON.stringify(said));
  }
});
