import assert from "node:assert/strict";
import test from "node:test";
import { readConfig } from "#config/load.ts";
import type { Target } from "./findings.ts";
import { planOf } from "./plan.ts";
import type { QmailSite } from "./source.ts";

const config = readConfig(
  'hostname = "mail.a.test"\n[smtp]\nmax_size = "9M"\n[qmail]\nrcpthosts = ["old.test"]\n',
);
assert.ok(config.ok);

const target: Target = {
  config: config.value,
  domains: new Set(["a.test"]),
  catchAlls: new Map([["a.test", "ann@a.test"]]),
  aliases: new Map([["info@a.test", ["bob@a.test", "ann@a.test"]]]),
  taken: new Set(["ann@a.test"]),
  denied: new Set(["from:@bad.test"]),
  rules: "other\n",
};

const site = (control: Record<string, string>, more: Partial<QmailSite> = {}): QmailSite => ({
  directory: "/var/qmail",
  control: new Map(Object.entries({ me: "mail.a.test\n", locals: "a.test\n", rcpthosts: "", ...control })),
  moreHosts: [],
  assign: undefined,
  aliases: new Map(),
  rules: undefined,
  unread: [],
  ...more,
});

const told = (given: QmailSite): readonly string[] =>
  planOf(given, target)
    .map(
      ({ outcome, source, line, text }) =>
        `${outcome} ${source}${line === undefined ? "" : `:${line}`} ${text}`,
    )
    .filter(
      (each) =>
        !/^(?:same control\/(?:me|locals)|note (?:tcp\.smtp|users)|\S+ control\/locals system_users)/.test(
          each,
        ),
    );

const rows: readonly (readonly [what: string, given: QmailSite, told: readonly RegExp[]])[] = [
  ["nothing", site({}), []],
  ["another name", site({ me: "other.test" }), [/^left control\/me .*other\.test/]],
  [
    "no rcpthosts",
    {
      ...site({}),
      control: new Map([
        ["me", "mail.a.test"],
        ["locals", "a.test"],
      ]),
    },
    [/^note control\/rcpthosts /],
  ],
  ["a value that is chosen here", site({ databytes: "5000" }), [/^not control\/databytes .*at least 64k/]],
  [
    "another value than here",
    site({ databytes: "5242880" }),
    [/^left control\/databytes smtp\.max_size is 9437184 here; qmail has 5M/],
  ],
  ["the same value as here", site({ databytes: "9437184" }), [/^same control\/databytes /]],
  ["no limit", site({ databytes: "0" }), [/^note control\/databytes /]],
  ["no number", site({ concurrencyremote: "many" }), [/^note control\/concurrencyremote /]],
  [
    "users of the machine",
    site(
      { virtualdomains: "v.test:Joe-Foo\n", defaultdelivery: "./Mailbox\n" },
      { assign: "+joe-:joe:1:1:/h:-::\n.\n" },
    ),
    [
      /^change users\/assign system_users\.assign = \/var\/qmail\/users\/assign/,
      /^change control\/defaultdelivery system_users\.default_delivery = \.\/Mailbox/,
      /^change control\/virtualdomains:1 system_users\.domains gets "v\.test:joe-foo"/,
    ],
  ],
  [
    "hosts of a cdb, and those that are there",
    site({ morercpthosts: "m.test" }, { moreHosts: ["c.test", "old.test", "A.test"] }),
    [
      /^change control\/morercpthosts:1 .*"m\.test"/,
      /^change control\/morercpthosts\.cdb .*"c\.test"/,
      /^same control\/morercpthosts\.cdb .*"old\.test"/,
    ],
  ],
  ["a domain that is none", site({ locals: "a.test\nno domain\n" }), [/^not control\/locals:2 /]],
  [
    "a locals file that is missing",
    {
      ...site({}),
      control: new Map([
        ["me", "b.test"],
        ["rcpthosts", ""],
      ]),
    },
    [/^left control\/me/, /^change control\/locals:1 b\.test/],
  ],
  [
    "a smarthost",
    site({ smtproutes: ":relay.test\n" }),
    [/^change control\/smtproutes:1 remote\.smarthost = relay\.test/],
  ],
  ["no smarthost", site({ smtproutes: ":\n" }), [/^same control\/smtproutes:1 /]],
  [
    "routes in their order",
    site({ smtproutes: ".test:a\n.b.test:b\nc.b.test:c\n" }),
    [/:3 mail for c\.b\.test goes to c/, /:2 mail for \.b\.test goes to b/, /:1 mail for \.test goes to a/],
  ],
  ["senders that are denied", site({ badmailfrom: "@bad.test\n" }), [/^same control\/badmailfrom:1 /]],
  ["other rules", site({}, { rules: { file: "tcp.smtp", text: ":allow\n" } }), [/^left tcp\.smtp /]],
  ["the same rules", site({}, { rules: { file: "x", text: "other\n" } }), [/^same x /]],
  [
    "what cannot be read",
    site({}, { unread: [{ source: "control/x", reason: "no" }] }),
    [/^not control\/x cannot be read: no/],
  ],
  [
    "aliases that are there",
    site({}, { aliases: new Map([["info", "&ann@a.test\nbob@a.test\n"]]) }),
    [/^same alias\/\.qmail-info /],
  ],
  [
    "an alias that goes elsewhere",
    site({}, { aliases: new Map([["info", "x@b.test"]]) }),
    [/^left alias\/\.qmail-info .*goes to bob@a\.test, ann@a\.test here/],
  ],
  [
    "an alias for an account",
    site({}, { aliases: new Map([["ann", "x@b.test"]]) }),
    [/^left alias\/\.qmail-ann /],
  ],
  [
    "a catch-all that is another",
    site({}, { aliases: new Map([["default", "x@b.test"]]) }),
    [/^left alias\/\.qmail-default /],
  ],
  [
    "a catch-all of several",
    site({}, { aliases: new Map([["default", "x@b.test\ny@b.test"]]) }),
    [/^not alias\/\.qmail-default /],
  ],
  [
    "a default of an extension",
    site({}, { aliases: new Map([["a-default", "x@b.test"]]) }),
    [/^not alias\/\.qmail-a-default a-\* cannot/],
  ],
  [
    "an empty file",
    site({}, { aliases: new Map([["x", "# only this\n"]]) }),
    [/^not alias\/\.qmail-x:1 is empty/],
  ],
  [
    "no address",
    site({}, { aliases: new Map([["x", "a b@\n"]]) }),
    [/^not alias\/\.qmail-x:1 "a b@" is no address/],
  ],
  ["a list", site({}, { aliases: new Map([["x", "a\n+list\n"]]) }), [/^not alias\/\.qmail-x:2 is a list/]],
];

for (const [what, given, wanted] of rows) {
  test(`planOf() says what becomes of ${what}`, () => {
    const found = told(given);
    assert.equal(found.length, wanted.length, found.join("\n"));
    for (const [at, each] of wanted.entries()) assert.match(found[at] ?? "", each);
  });
}
