import assert from "node:assert/strict";
import test from "node:test";
import { limits } from "#base/limits.ts";
import type { Answer, MxRecord, SecureResolver } from "#sys/resolver.ts";
import type { Outcome } from "#wire/envelope.ts";
import { type RouteOptions, route } from "./route.ts";

type Hosts = Readonly<Record<string, readonly string[] | "later">>;

function resolverOf(mx: readonly [number, string][] | "none" | "later", known: Hosts = {}): SecureResolver {
  const unused = async (): Promise<Answer<string>> => ({ kind: "none" });
  const later = { kind: "later", why: "SERVFAIL" } as const;
  return {
    mx: async (): Promise<Answer<MxRecord>> => {
      if (mx === "later") return later;
      if (mx === "none") return { kind: "none" };
      return { kind: "found", records: mx.map(([preference, exchange]) => ({ preference, exchange })) };
    },
    addresses: async (host) => {
      const records = known[host] ?? (/^[\d.]+$|:/.test(host) ? [host] : undefined);
      if (records === "later") return later;
      return records ? { kind: "found", records } : { kind: "none" };
    },
    a: unused,
    aaaa: unused,
    ptr: unused,
    txt: unused,
    alias: unused,
    tlsa: async () => ({ kind: "none" }),
  };
}

async function all(domain: string, resolver: SecureResolver, over: Partial<RouteOptions> = {}) {
  const options: RouteOptions = {
    resolver,
    hostname: "we.example",
    port: 25,
    smarthost: "",
    sourceAddress: "",
    routes: [],
    sts: async () => ({ kind: "none" }),
    random: () => 0.999,
    ...over,
  };
  const targets = route({ domain, sender: "sam@sender.test" }, options);
  const found: string[] = [];
  for (;;) {
    const next = await targets.next();
    if (next.done) return { found, outcome: next.value };
    found.push(`${next.value.host} ${next.value.address} ${next.value.port}`);
  }
}

const code = (outcome: Outcome | undefined) =>
  outcome && "why" in outcome ? `${outcome.kind} ${outcome.why.code}` : undefined;

const hosts: Hosts = {
  "a.example": ["192.0.2.1"],
  "b.example": ["192.0.2.2", "2001:db8::2", "192.0.2.3"],
  "c.example": ["192.0.2.4"],
  "slow.example": "later",
  "d.example": ["192.0.2.5"],
};

const rows: [
  what: string,
  domain: string,
  resolver: SecureResolver,
  over: Partial<RouteOptions>,
  found: string[],
  outcome: string | undefined,
][] = [
  [
    "exchangers by preference, families by turns",
    "d.example",
    resolverOf(
      [
        [20, "a.example"],
        [10, "b.example"],
      ],
      hosts,
    ),
    {},
    [
      "b.example 2001:db8::2 25",
      "b.example 192.0.2.2 25",
      "b.example 192.0.2.3 25",
      "a.example 192.0.2.1 25",
    ],
    undefined,
  ],
  [
    "equals in random order",
    "d.example",
    resolverOf(
      [
        [10, "a.example"],
        [10, "c.example"],
      ],
      hosts,
    ),
    { random: () => 0 },
    ["c.example 192.0.2.4 25", "a.example 192.0.2.1 25"],
    undefined,
  ],
  [
    "no MX: the domain itself",
    "d.example",
    resolverOf("none", hosts),
    {},
    ["d.example 192.0.2.5 25"],
    undefined,
  ],
  ["no MX and no address", "x.example", resolverOf("none", hosts), {}, [], "failed 5.1.2"],
  [
    "no MX, and DNS is away for the address",
    "slow.example",
    resolverOf("none", hosts),
    {},
    [],
    "deferred 4.4.3",
  ],
  [
    "DNS is away for MX: no guess at the domain itself",
    "d.example",
    resolverOf("later", hosts),
    {},
    [],
    "deferred 4.4.3",
  ],
  ["null MX", "d.example", resolverOf([[0, ""]], hosts), {}, [], "failed 5.1.10"],
  ["null MX written as a dot", "d.example", resolverOf([[0, "."]], hosts), {}, [], "failed 5.1.10"],
  [
    "a null MX beside others says nothing",
    "d.example",
    resolverOf(
      [
        [0, ""],
        [5, "a.example"],
      ],
      hosts,
    ),
    {},
    ["a.example 192.0.2.1 25"],
    undefined,
  ],
  [
    "MX without addresses: not the domain itself",
    "d.example",
    resolverOf([[5, "x.example"]], hosts),
    {},
    [],
    "failed 5.4.4",
  ],
  [
    "one MX without address, one later",
    "d.example",
    resolverOf(
      [
        [5, "x.example"],
        [6, "slow.example"],
      ],
      hosts,
    ),
    {},
    [],
    "deferred 4.4.3",
  ],
  [
    "one MX later, one found",
    "d.example",
    resolverOf(
      [
        [5, "slow.example"],
        [6, "a.example"],
      ],
      hosts,
    ),
    {},
    ["a.example 192.0.2.1 25"],
    undefined,
  ],
  [
    "an MX that is an address, as some write it",
    "d.example",
    resolverOf([[5, "192.0.2.9"]], hosts),
    {},
    ["192.0.2.9 192.0.2.9 25"],
    undefined,
  ],
  [
    "ourselves and what is not better are left out",
    "d.example",
    resolverOf(
      [
        [5, "a.example"],
        [10, "WE.example."],
        [10, "c.example"],
        [20, "b.example"],
      ],
      hosts,
    ),
    {},
    ["a.example 192.0.2.1 25"],
    undefined,
  ],
  [
    "we are the best",
    "d.example",
    resolverOf(
      [
        [10, "we.example"],
        [20, "b.example"],
      ],
      hosts,
    ),
    {},
    [],
    "deferred 4.4.6",
  ],
  [
    "an address literal",
    "[192.0.2.7]",
    resolverOf("none"),
    { port: 2525 },
    ["192.0.2.7 192.0.2.7 2525"],
    undefined,
  ],
  [
    "an IPv6 literal",
    "[IPv6:2001:db8::7]",
    resolverOf("none"),
    {},
    ["2001:db8::7 2001:db8::7 25"],
    undefined,
  ],
  ["a literal of nothing", "[nonsense]", resolverOf("none"), {}, [], "failed 5.1.2"],
  [
    "smarthost",
    "d.example",
    resolverOf("later", hosts),
    { smarthost: "a.example" },
    ["a.example 192.0.2.1 25"],
    undefined,
  ],
  [
    "smarthost with a port",
    "d.example",
    resolverOf("later", hosts),
    { smarthost: "a.example:587" },
    ["a.example 192.0.2.1 587"],
    undefined,
  ],
  [
    "smarthost by address",
    "d.example",
    resolverOf("later", hosts),
    { smarthost: "[192.0.2.8]:2525" },
    ["192.0.2.8 192.0.2.8 2525"],
    undefined,
  ],
  [
    "smarthost by IPv6",
    "d.example",
    resolverOf("later", hosts),
    { smarthost: "[2001:db8::8]" },
    ["2001:db8::8 2001:db8::8 25"],
    undefined,
  ],
  [
    "smarthost without address",
    "d.example",
    resolverOf("later", hosts),
    { smarthost: "x.example" },
    [],
    "deferred 4.4.4",
  ],
];

test("the route to a domain", async () => {
  for (const [what, domain, resolver, over, found, outcome] of rows) {
    const got = await all(domain, resolver, over);
    assert.deepEqual(got.found, found, what);
    assert.equal(code(got.outcome), outcome, what);
  }
});

test("a domain with 500 exchangers costs no more than the limit", async () => {
  const many = Array.from({ length: 500 }, (_, n): [number, string] => [n, `10.0.${n >> 8}.${n & 255}`]);
  const got = await all("d.example", resolverOf(many));
  assert.equal(got.found.length, limits.remote.exchangers);
  const big = { "big.example": Array.from({ length: 500 }, (_, n) => `10.0.${n >> 8}.${n & 255}`) };
  assert.equal((await all("big.example", resolverOf("none", big))).found.length, limits.remote.addresses);
});
