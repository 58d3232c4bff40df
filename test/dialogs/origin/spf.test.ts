// The test suite of RFC 7208 (openspf, pyspf), read where it lies; it is no part of the project.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import test from "node:test";
import { checkMailFrom } from "#origin/spf.ts";
import { FakeClock } from "#test/support/clock.ts";
import { TableResolver } from "#test/support/table.ts";
import type { Records, Zones } from "#test/support/zone.ts";

type Entry = "TIMEOUT" | Readonly<Record<string, unknown>>;

interface Case {
  readonly helo: string;
  readonly host: string;
  readonly mailfrom: string;
  readonly result: string | readonly string[];
  readonly explanation?: string;
}

interface Suite {
  readonly description: string;
  readonly tests: Readonly<Record<string, Case>>;
  readonly zonedata: Readonly<Record<string, readonly Entry[]>>;
}

const root = path.resolve(import.meta.dirname, "../../..");
const vectors = ["../shared", "../../shared"]
  .map((place) => path.resolve(root, place, "vectors/spf-rfc7208.json"))
  .find((file) => existsSync(file));

const TYPES = ["A", "AAAA", "MX", "TXT", "PTR", "CNAME"] as const;

/** Records written as SPF stand for TXT where there are no others; "TIMEOUT" is what any other question gets. */
function recordsOf(entries: readonly Entry[]): Records | "servfail" {
  const all = (type: string) =>
    entries.flatMap((entry) => (typeof entry === "object" && type in entry ? [entry[type]] : []));
  const records = Object.fromEntries(
    TYPES.map((type) => [type, all(type)]).filter(([, found]) => found?.length),
  );
  if (!records["TXT"]) records["TXT"] = all("SPF");
  records["TXT"] = records["TXT"].filter((text: unknown) => text !== "NONE");
  if (records["MX"])
    records["MX"] = records["MX"].map((record: [number, string]) => `${record[0]} ${record[1] || "."}`);
  if (records["CNAME"]) records["CNAME"] = records["CNAME"][0];
  if (entries.includes("TIMEOUT") && entries.length === 1) return "servfail";
  return records as Records;
}

class SuiteResolver extends TableResolver {
  readonly #timeouts: ReadonlySet<string>;

  constructor({ zonedata }: Suite) {
    const names = Object.entries(zonedata).map(
      ([name, entries]) => [name.toLowerCase().replace(/\.$/, ""), entries] as const,
    );
    super(Object.fromEntries(names.map(([name, entries]) => [name, recordsOf(entries)])) as Zones);
    this.#timeouts = new Set(names.flatMap(([name, entries]) => (entries.includes("TIMEOUT") ? [name] : [])));
  }

  protected override missing(name: string) {
    return this.#timeouts.has(name) ? ({ kind: "later", why: "timeout" } as const) : super.missing(name);
  }
}

const suites = vectors ? (JSON.parse(readFileSync(vectors, "utf8")) as readonly Suite[]) : [];

test("the vectors of RFC 7208 are there", {
  skip: vectors ? false : "they are not beside the project",
}, () => {
  assert.ok(suites.flatMap(({ tests }) => Object.keys(tests)).length > 150);
});

for (const suite of suites) {
  for (const [name, { helo, host, mailfrom, result, explanation }] of Object.entries(suite.tests)) {
    test(`RFC 7208: ${suite.description}: ${name}`, async () => {
      const resolver = new SuiteResolver(suite);
      const question = { address: host, hello: helo, sender: mailfrom, receiver: "receiver.example" };
      const answer = await checkMailFrom(question, { resolver, clock: new FakeClock() });
      assert.ok([result].flat().includes(answer.result), `${JSON.stringify(answer)} is not ${result}`);
      if (explanation === undefined) return;
      assert.equal(answer.explanation ?? "DEFAULT", explanation);
    });
  }
}
