import assert from "node:assert/strict";
import test from "node:test";
import { type KnownVariables, knownVariables } from "./variables.ts";

const of = (variables: Readonly<Record<string, string>>) =>
  knownVariables(new Map(Object.entries(variables)));

const nothing: KnownVariables = {
  relayClient: undefined,
  reliableClient: false,
  acceptDomains: [],
  acceptedDomainsOnly: false,
  dataBytes: undefined,
  badHost: undefined,
  blocklisted: undefined,
  greetDelay: undefined,
  intranet: false,
};

test("variables of rules become one object", () => {
  const jp = { kind: "suffix", suffix: ".jp" } as const;
  const rows: [name: string, value: string, expected: Partial<KnownVariables>][] = [
    ["RELAYCLIENT", "", { relayClient: "" }],
    ["RELAYCLIENT", "@fix.me", { relayClient: "@fix.me" }],
    ["RELIABLECLIENT", "", { reliableClient: true }],
    ["RELIABLECLIENT", "0", { reliableClient: true }],
    ["ACCEPTDOMAINS", "@Hotmail.com", { acceptDomains: [{ kind: "domain", domain: "hotmail.com" }] }],
    ["ACCEPTDOMAINS", ".jp/.org", { acceptDomains: [jp, { kind: "suffix", suffix: ".org" }] }],
    ["ADONLY", "", { acceptedDomainsOnly: true }],
    ["DATABYTES", "0", { dataBytes: 0 }],
    ["DATABYTES", "1048576", { dataBytes: 1_048_576 }],
    ["BADHOST", "", { badHost: "" }],
    ["BADHOST", "Größe", { badHost: "Größe" }],
    ["RBLSMTPD", "", { blocklisted: { kind: "accept" } }],
    ["RBLSMTPD", "later", { blocklisted: { kind: "refuse", permanent: false, text: "later" } }],
    ["RBLSMTPD", "-never", { blocklisted: { kind: "refuse", permanent: true, text: "never" } }],
    ["RBLSMTPD", "-", { blocklisted: { kind: "refuse", permanent: true, text: "" } }],
    ["GREETDELAY", "0", { greetDelay: 0 }],
    ["GREETDELAY", "300", { greetDelay: 300_000 }],
    ["INTRANET", "", { intranet: true }],
    ["TCPLOCALHOST", "movie.edu", {}],
    ["relayclient", "", {}],
    ["constructor", "", {}],
    ["__proto__", "", {}],
  ];
  for (const [name, value, expected] of rows)
    assert.deepEqual(
      of({ [name]: value }),
      { known: { ...nothing, ...expected }, problems: [] },
      `${name}=${value}`,
    );
  assert.deepEqual(of({}), { known: nothing, problems: [] });
  assert.deepEqual(of({ RELAYCLIENT: "", DATABYTES: "5" }).known, {
    ...nothing,
    relayClient: "",
    dataBytes: 5,
  });
});

test("a value that makes no sense is a problem, and as if not set", () => {
  for (const [name, value] of [
    ["ACCEPTDOMAINS", ""],
    ["ACCEPTDOMAINS", "hotmail.com"],
    ["ACCEPTDOMAINS", "@a.example/"],
    ["ACCEPTDOMAINS", "@a.example,@b.example"],
    ["ACCEPTDOMAINS", "@"],
    ["ACCEPTDOMAINS", "joe@a.example"],
    ["RELAYCLIENT", ".uucp\r\n"],
    ["RELAYCLIENT", "<x>"],
    ["RELAYCLIENT", "x".repeat(201)],
    ["DATABYTES", ""],
    ["DATABYTES", "-1"],
    ["DATABYTES", "10M"],
    ["DATABYTES", "9999999999999999"],
    ["GREETDELAY", ""],
    ["GREETDELAY", "301"],
    ["GREETDELAY", "1.5"],
  ] as const) {
    const { known, problems } = of({ [name]: value, RELIABLECLIENT: "" });
    assert.deepEqual(known, { ...nothing, reliableClient: true }, `${name}=${value}`);
    assert.equal(problems.length, 1);
    assert.ok(problems[0]?.startsWith(`${name}: give `));
  }
});
