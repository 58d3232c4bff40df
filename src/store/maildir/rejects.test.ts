import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { quickDisk } from "#sys/quickdisk.ts";
import { temporaryDirectory } from "#test/support/temporary.ts";
import { REJECTS, Rejects } from "./rejects.ts";

const DAY = 86_400_000;
const NOW = 1_764_000_000_000;
const bounds = { time: 14 * DAY, messages: 3, size: 10_000 };

const identity = (n: number) => String(n).padStart(22, "x");
const letter = (n: number, { arrived = NOW, text = `Subject: ${n}\r\n\r\nx\r\n` } = {}) => ({
  identity: identity(n),
  arrived,
  head: Buffer.from("Delivered-To: ann@a.test\n"),
  body: {
    size: Buffer.byteLength(text),
    whole: Buffer.from(text),
    async *chunks() {
      yield Buffer.from(text);
    },
  },
});

function folder(context: TestContext) {
  const maildir = path.join(temporaryDirectory(context), "Maildir");
  const open = () => new Rejects({ disk: quickDisk, maildir, host: "mx.a.test" });
  const at = (place: string) => path.join(maildir, REJECTS, place);
  const list = () =>
    ["new", "cur"].flatMap((place) => (fs.existsSync(at(place)) ? fs.readdirSync(at(place)) : []));
  const kept = () => list().map((name) => Number(/R(x*\d+)\./.exec(name)?.[1]?.replaceAll("x", "")));
  return { open, at, list, kept: () => kept().sort() };
}

test("a refused message is kept once, whoever sends it how often, and goes when it has come through", async (context) => {
  const { open, list, kept } = folder(context);
  const rejects = open();
  assert.equal(await rejects.any(), false);
  assert.deepEqual(list(), [], "nothing is made for nothing");
  const all = await Promise.all([1, 1, 2].map((n) => rejects.keep(letter(n), bounds, NOW)));
  assert.deepEqual(all, ["kept", "there", "kept"]);
  assert.equal(await rejects.keep(letter(1, { arrived: NOW + DAY }), bounds, NOW + DAY), "there");
  // another process
  assert.equal(await open().keep(letter(1), bounds, NOW), "there");
  assert.deepEqual(kept(), [1, 2]);
  assert.equal(await rejects.forget(identity(3)), false);
  assert.equal(await rejects.forget(identity(1)), true);
  assert.deepEqual(kept(), [2]);
  assert.equal(await rejects.any(), true);
  await rejects.forget(identity(2));
  assert.equal(await rejects.any(), false);
});

test("the oldest go when there are too many, too much, or they are too old; what others put there stays", async (context) => {
  const { open, at, kept, list } = folder(context);
  const rejects = open();
  for (const n of [1, 2, 3, 4]) await rejects.keep(letter(n, { arrived: NOW + n * 1000 }), bounds, NOW);
  assert.deepEqual(kept(), [2, 3, 4]);
  const large = letter(5, { arrived: NOW + 5000, text: "x".repeat(9_960) });
  assert.equal(await rejects.keep(large, bounds, NOW), "kept");
  assert.deepEqual(kept(), [5]);
  const huge = letter(6, { text: "x".repeat(10_000) });
  assert.equal(await rejects.keep(huge, bounds, NOW), "large");
  // a person has read it, and put a letter of his own beside it
  const [name = ""] = list();
  fs.renameSync(path.join(at("new"), name), path.join(at("cur"), `${name}:2,S`));
  fs.writeFileSync(path.join(at("cur"), "1764000000.M1P1.mine,S=1:2,S"), "x");
  await rejects.prune(bounds, NOW + 13 * DAY);
  assert.equal(list().length, 2);
  await rejects.prune(bounds, NOW + 15 * DAY);
  assert.deepEqual(list(), ["1764000000.M1P1.mine,S=1:2,S"]);
});
