import assert from "node:assert/strict";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { selfSigned } from "#wire/x509.ts";
import { sliceFor } from "./cut.ts";
import { lineOf } from "./lines.ts";
import { readConfig } from "./load.ts";
import type { Config } from "./schema.ts";

const HEAD = 'hostname = "a.test"';

function configOf(source: string): Config {
  const read = readConfig(`${HEAD}\n${source}`);
  assert.ok(read.ok, read.ok ? "" : read.error.join("\n"));
  return read.value;
}

const problemsOf = (source: string): readonly string[] => {
  const read = readConfig(`${HEAD}\n${source}`);
  return read.ok ? [] : read.error;
};

const PRINTERS = `[[listener]]
name = "printers"
class = "lan"
addresses = ["192.0.2.2:25", "[2001:db8::2]:25"]
tls = "none"
networks = ["192.0.2.0/24", "2001:db8::/64"]
proxy = ["192.0.2.3"]
max_size = "20M"
max_recipients = 100
connections = 50
connections_per_address = 10
connections_per_network = 20
rate_per_address = 0
rate_per_network = 30
errors_per_connection = 5
session_time = "10m"
`;

/** A data directory with certificates. */
function withFiles(context: TestContext, files: Readonly<Record<string, string>>): string {
  const directory = fs.mkdtempSync(path.join(tmpdir(), "kenro-listeners-"));
  context.after(() => fs.rmSync(directory, { recursive: true, force: true }));
  fs.mkdirSync(path.join(directory, "tls"));
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(path.join(directory, "tls", name), text);
  return directory;
}

const DAY = 86_400_000;
const made = (...names: string[]) => selfSigned({ names, addresses: [], from: 0, until: 20_000 * DAY });
const own = made("a.test");
const standard = { "cert.pem": own.certificate, "key.pem": own.key };

test("a [[listener]] has its own rules, and what it does not say holds as in [smtp]", (context) => {
  const config = configOf(`[smtp]\nerrors_per_connection = 9\nmax_hops = 120\n${PRINTERS}`);
  const slice = sliceFor("smtpd", config, withFiles(context, standard));
  const { sockets, networks, proxy, bounds, ...rest } = slice.listeners[3] ?? assert.fail();
  assert.deepEqual(sockets, ["printers.0", "printers.1"]);
  assert.deepEqual(networks, ["192.0.2.0/24", "2001:db8::/64"]);
  assert.deepEqual(proxy, ["192.0.2.3"]);
  assert.deepEqual(bounds, {
    connections: 50,
    perAddress: 10,
    perNetwork: 20,
    ratePerAddress: 0,
    ratePerNetwork: 30,
  });
  assert.deepEqual([rest.class, rest.tls, rest.maxSize, rest.maxRecipients], ["lan", "none", 20 << 20, 100]);
  assert.deepEqual([rest.errors, rest.hops, rest.sessionTime], [5, 120, 600_000]);
  assert.equal(slice.listeners[0]?.errors, 9);
});

test("a [[listener]] of class mx may have rules of its own, and no other class", (context) => {
  const block = (kind: string) =>
    `[policy]\noff = ["dnsbl"]\nreject_score = 12\n[[listener]]\nname = "second"\nclass = "${kind}"\naddresses = ["192.0.2.2:25"]\nobserve = ["spf"]\noff = []\norder = ["dnsbl"]\nsuspicious_score = 5\n`;
  const { listeners, policy } = sliceFor("smtpd", configOf(block("mx")), withFiles(context, standard));
  const rules = new Map(listeners.map((each) => [each.name, each.rules]));
  assert.deepEqual(rules.get("mx"), {
    observe: [],
    off: ["dnsbl"],
    order: [],
    rejectScore: 12,
    suspiciousScore: 7,
  });
  assert.deepEqual(rules.get("second"), {
    observe: ["spf"],
    off: [],
    order: ["dnsbl"],
    rejectScore: 12,
    suspiciousScore: 5,
  });
  assert.deepEqual(policy.deferFailed, []);
  assert.match(
    problemsOf(block("submission"))[0] ?? "",
    /observe".*only a listener of class mx, qmtp has this/,
  );
  assert.match(problemsOf('[policy]\ndefer_failed = ["nothing"]')[0] ?? "", /expected a rule/);
});

test("who may use QMQP is this machine, unless a [[listener]] says otherwise", (context) => {
  const block =
    '[[listener]]\nname = "inside"\nclass = "qmqp"\naddresses = ["192.0.2.2:628"]\ntls = "none"\n';
  const source = `[listen]\nqmqp = ["127.0.0.1:628"]\nqmtp = ["0.0.0.0:209"]\n${block}networks = ["192.0.2.0/24"]\n`;
  const { listeners } = sliceFor("smtpd", configOf(source), withFiles(context, standard));
  const found = listeners.map(({ name, class: kind, networks }) => [name, kind, networks] as const);
  assert.deepEqual(found.slice(-3), [
    ["qmtp", "qmtp", []],
    ["qmqp", "qmqp", ["127.0.0.0/8", "::1"]],
    ["inside", "qmqp", ["192.0.2.0/24"]],
  ]);
});

test("a [[listener]] of class imap or pop3 is the gate's", (context) => {
  const config = configOf(
    '[gate]\nrate_per_address = 7\n[[listener]]\nname = "web"\nclass = "imap"\naddresses = ["127.0.0.1:1143"]\ntls = "none"',
  );
  const directory = withFiles(context, standard);
  assert.equal(sliceFor("smtpd", config, directory).listeners.length, 3);
  const listener = sliceFor("gate", config, directory).listeners.at(-1);
  assert.deepEqual(listener, {
    name: "web",
    sockets: ["web.0"],
    protocol: "imap",
    tls: "none",
    proxy: [],
    bounds: {
      connections: 10_000,
      perAddress: 100,
      perNetwork: 1000,
      ratePerAddress: 7,
      ratePerNetwork: 1500,
    },
  });
});

test("what is wrong with a [[listener]] is said with its line", () => {
  const block = (lines: string) =>
    `[[listener]]\nname = "a"\nclass = "mx"\naddresses = ["127.0.0.1:2525"]\n${lines}`;
  const changed = (setting: string, value: string) =>
    PRINTERS.replace(new RegExp(`^${setting} = .*$`, "m"), value);
  for (const [source, wanted] of [
    [block('max_size = "1k"'), /^Line 6 of kenro\.toml: "listener\.max_size": expected at least 64k/],
    [block("connections = 0"), /^Line 6 .*"listener\.connections"/],
    [block("max_recipients = 99"), /^Line 6 .*"listener\.max_recipients"/],
    [block('command_timeout = "4m"'), /^Line 6 .*expected at least 5m \(RFC 5321/],
    [block('body_timeout = "2m"'), /^Line 6 .*expected at least 3m \(RFC 5321/],
    [block("max_hops = 99"), /^Line 6 .*"listener\.max_hops"/],
    [
      block("conections = 1"),
      /^Line 6 .*unknown setting "listener\.conections"; did you mean "listener\.connections"/,
    ],
    [
      block('networks = ["10.0.0.0/8"]'),
      /^Line 6 .*"listener\.networks": only a listener of class lan, qmqp has this$/,
    ],
    [block('client_ca = "x.pem"'), /^Line 6 .*only a listener of class submission has this$/],
    [
      block('proxy = ["10.0.0.1/8"]'),
      /^Line 6 .*"listener\.proxy\.0": "10\.0\.0\.1" has bits beyond its first 8/,
    ],
    [block('tls = "yes"'), /^Line 6 .*"listener\.tls"/],
    [
      `${PRINTERS}${block("")}[[listener]]\nname = "a"\nclass = "mx"\naddresses = ["127.0.0.1:2526"]`,
      /^Line 23 .*"listener\.name": another listener is called "a"$/,
    ],
    [changed("name", 'name = "mx"'), /^Line 3 .*another listener is called "mx"$/],
    [changed("name", 'name = "The printers"'), /^Line 3 .*expected a short name/],
    [changed("class", ""), /^Line 2 of kenro\.toml: the setting "listener\.class" is missing$/],
    [changed("name", ""), /^Line 2 of kenro\.toml: the setting "listener\.name" is missing$/],
    [changed("class", 'class = "wan"'), /^Line 4 .*"listener\.class"/],
    [changed("addresses", "addresses = []"), /^Line 5 .*expected at least one address/],
    [
      changed("addresses", 'addresses = ["0.0.0.0:25"]'),
      /^Line 5 .*"0\.0\.0\.0:25" is in "listen\.mx" already$/,
    ],
    [changed("networks", ""), /^Line 2 .*"listener\.networks": say which clients .* open relay$/],
    [changed("class", 'class = "imap"'), /^Line 7 .*class lan/],
    [
      '[[listener]]\nname = "s"\nclass = "qmtp"\naddresses = ["127.0.0.1:209"]',
      /^Line 2 .*"listener\.tls": qmtp has no STARTTLS/,
    ],
    [
      '[[listener]]\nname = "s"\nclass = "submission"\naddresses = ["127.0.0.1:2525"]\ntls = "none"',
      /^Line 6 .*"listener\.tls": logins are taken under TLS only$/,
    ],
    ['[listener]\nname = "s"', /^Line 2 .*"listener": write \[\[listener\]\]/],
    ['[[listeners]]\nname = "s"', /^Line 2 .*unknown setting "listeners"; did you mean "listener"\?$/],
    [
      '[smtp]\nexempt = ["10.0.0.0/33"]',
      /^Line 3 .*"smtp\.exempt\.0": expected a prefix length from 0 to 32/,
    ],
    [
      '[[certificate]]\ncertificate = "x"',
      /^Line 2 of kenro\.toml: the setting "certificate\.key" is missing$/,
    ],
    [
      block("[[certificate]]\nkey = 1"),
      /^Line 7 .*"certificate\.key"|^Line 6 .*"certificate\.certificate" is missing/,
    ],
  ] as const)
    assert.match(problemsOf(source)[0] ?? "no problem", wanted, source);
  assert.deepEqual(problemsOf(PRINTERS), []);
});

test("lineOf() finds blocks by their number", () => {
  const source =
    'a = 1\n[[listener]]\nname = "one"\n[[certificate]]\nkey = "k"\n[[listener]]\nname = "two"\n';
  assert.equal(lineOf(source, ["listener"]), 2);
  assert.equal(lineOf(source, ["listener", "0", "name"]), 3);
  assert.equal(lineOf(source, ["listener", "1"]), 6);
  assert.equal(lineOf(source, ["listener", "1", "name"]), 7);
  assert.equal(lineOf(source, ["listener", "1", "class"]), 6);
  assert.equal(lineOf(source, ["certificate", "0", "key"]), 5);
  assert.equal(lineOf('listener = [{ name = "x" }]', ["listener", "0", "name"]), 1);
});

test("certificates: that of [tls] first, then the others with the names they are for", (context) => {
  const other = made("b.test", "*.C.test");
  const files = { ...standard, "b.pem": other.certificate, "b.key": other.key };
  const block = '[[certificate]]\ncertificate = "tls/b.pem"\nkey = "tls/b.key"';
  const directory = withFiles(context, files);
  for (const role of ["smtpd", "gate"] as const)
    assert.deepEqual(
      sliceFor(role, configOf(block), directory).certificates.map(({ names }) => names),
      [["a.test"], ["b.test", "*.c.test"]],
    );
  const nameless = selfSigned({ names: [], addresses: ["127.0.0.1"], from: 0, until: 20_000 * DAY });
  for (const [changes, wanted] of [
    [
      { "b.pem": own.certificate },
      /^Cannot use "tls\/b\.pem" in \[\[certificate\]\]: the key "tls\/b\.key" belongs/,
    ],
    [{ "b.pem": "" }, /^Cannot use "tls\/b\.pem" in \[\[certificate\]\]: /],
    [{ "b.pem": nameless.certificate, "b.key": nameless.key }, /it has no DNS names/],
  ] as const)
    assert.throws(() => sliceFor("gate", configOf(block), withFiles(context, { ...files, ...changes })), {
      name: "Trouble",
      message: wanted,
    });
  const chain = `${other.certificate}${"#".repeat(70_000)}`;
  assert.throws(
    () =>
      sliceFor("gate", configOf(`${block}\n`.repeat(12)), withFiles(context, { ...files, "b.pem": chain })),
    /^Trouble: Cannot use so many certificates: together they have \d+ bytes/,
  );
  assert.throws(
    () => sliceFor("gate", configOf(block.replace("b.key", "gone.key")), directory),
    /^Trouble: Cannot read certificate\.key "tls\/gone\.key": there is no such file$/,
  );
});

test("authorities for client certificates are read and proved", (context) => {
  const block = (file: string) =>
    `[[listener]]\nname = "s"\nclass = "submission"\naddresses = ["127.0.0.1:2525"]\nclient_ca = "tls/${file}"`;
  const directory = withFiles(context, {
    ...standard,
    "empty.pem": "",
    "broken.pem": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
  });
  const cut = (file: string) =>
    sliceFor("smtpd", configOf(block(file)), directory).listeners.at(-1)?.clientCa;
  assert.equal(cut("cert.pem"), own.certificate);
  assert.throws(
    () => cut("gone.pem"),
    /Cannot read listener\.client_ca "tls\/gone\.pem": there is no such file/,
  );
  assert.throws(() => cut("empty.pem"), /it holds no certificate$/);
  assert.throws(() => cut("broken.pem"), /Cannot use listener\.client_ca "tls\/broken\.pem": /);
});
