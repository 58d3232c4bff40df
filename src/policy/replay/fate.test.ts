import assert from "node:assert/strict";
import test from "node:test";
import { sessionRecord } from "#test/support/sessionrecord.ts";
import { type Fate, Fates, formatFate, isFateLine, withFate } from "./fate.ts";
import { readSession } from "./record.ts";

type Told = readonly [mail: string, of: number, fate: Fate["fate"]];

const rows: readonly {
  readonly what: string;
  readonly record?: Readonly<Record<string, unknown>>;
  readonly told: readonly Told[];
  readonly wanted: boolean | undefined;
}[] = [
  { what: "nobody told", told: [], wanted: undefined },
  { what: "of other mail", told: [["b-1", 0, "delivered"]], wanted: undefined },
  { what: "delivered", told: [["a-1", 0, "delivered"]], wanted: true },
  {
    what: "junked",
    told: [
      ["a-1", 0, "delivered"],
      ["a-1", 0, "junked"],
    ],
    wanted: false,
  },
  {
    what: "a delivery that is told late",
    told: [
      ["a-1", 0, "junked"],
      ["a-1", 0, "delivered"],
    ],
    wanted: false,
  },
  {
    what: "taken out of Junk again",
    told: [
      ["a-1", 0, "junked"],
      ["a-1", 0, "kept"],
    ],
    wanted: true,
  },
  {
    what: "one of two keeps it",
    told: [
      ["a-1", 0, "junked"],
      ["a-1", 1, "delivered"],
    ],
    wanted: true,
  },
  {
    what: "one of two messages is kept",
    record: { mail: ["a-1", "a-2"] },
    told: [
      ["a-1", 0, "junked"],
      ["a-2", 0, "delivered"],
    ],
    wanted: true,
  },
  {
    what: "junk of somebody to whom our users write",
    record: { correspondent: true },
    told: [["a-1", 0, "junked"]],
    wanted: true,
  },
  {
    what: "refused, however well known the sender is",
    record: { correspondent: true, messages: 0, mail: [] },
    told: [],
    wanted: undefined,
  },
  { what: "a record of before", record: { mail: undefined }, told: [], wanted: undefined },
];

test("mail was wanted when somebody kept it, or when our users write to its sender", () => {
  for (const { what, record, told, wanted } of rows) {
    const session = readSession(Buffer.from(sessionRecord({ mail: ["a-1"], ...record })));
    assert.ok(session.ok, JSON.stringify(session));
    const fates = new Fates();
    for (const [mail, of, fate] of told) {
      const line = formatFate({ mail, of, fate }, 1);
      assert.ok(isFateLine(line) && fates.take(line), line);
    }
    assert.equal(withFate(session.value, fates).wanted, wanted, what);
  }
});

test("lines that tell nothing are told", () => {
  const fates = new Fates();
  for (const line of [
    '{"mail":',
    '{"mail":1}',
    '{"mail":"a-1","of":-1,"fate":"junked"}',
    '{"mail":"a-1","of":0,"fate":"x"}',
  ])
    assert.equal(fates.take(line), false, line);
  assert.equal(fates.isKept("a-1"), undefined);
  assert.equal(isFateLine(sessionRecord()), false);
});
