import assert from "node:assert/strict";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { parse } from "smol-toml";
import { numbered } from "#roles/roles.ts";
import { selfSigned } from "#wire/x509.ts";
import { ROLE_NUMBERS, sliceFor } from "./cut.ts";
import { formatConfig, formatValue } from "./document.ts";
import { lineOf } from "./lines.ts";
import { listenersOf } from "./listeners.ts";
import { readConfig } from "./load.ts";
import { type Section, sections } from "./schema.ts";
import { parseDuration, parseSize } from "./units.ts";

const choices = { hostname: "mail.example.test" };

test("what formatConfig() writes readConfig() takes, with the standard values", () => {
  const read = readConfig(formatConfig(choices));
  assert.ok(read.ok, read.ok ? "" : read.error.join("\n"));
  const bare = readConfig('hostname = "mail.example.test"');
  assert.ok(bare.ok);
  assert.deepEqual(read.value, bare.value);
  assert.equal(read.value.smtp.max_size, 50 * 1024 * 1024);
  assert.equal(read.value.queue.lifetime, 7 * 86_400_000);
});

test("formatConfig() writes every setting once, each under its meaning, no line too long", () => {
  const text = formatConfig(choices);
  const parsed = parse(text) as Record<string, Record<string, unknown>>;
  for (const [name, { settings }] of Object.entries(sections as Readonly<Record<string, Section>>)) {
    for (const setting of Object.keys(settings))
      assert.ok(name === "" ? setting in parsed : setting in (parsed[name] ?? {}), `${name}.${setting}`);
  }
  const lines = text.split("\n");
  for (const [at, line] of lines.entries()) {
    assert.ok(line.length <= 100, line);
    if (/^\w+ = /.test(line)) assert.match(lines[at - 1] ?? "", /^# /);
  }
  assert.throws(() => formatConfig({}), /"hostname" needs a value/);
});

test("formatConfig() takes other values, whatever characters they have", () => {
  const odd = 'a "quoted" \\ name\twith\u0001 ümlaut';
  const text = formatConfig({
    ...choices,
    "tls.key": odd,
    "listen.mx": ["127.0.0.1:2525", "[::1]:2525"],
    "queue.local_concurrency": 7,
  });
  const read = readConfig(text);
  assert.ok(read.ok);
  assert.equal(read.value.tls.key, odd);
  assert.deepEqual(read.value.listen.mx, ["127.0.0.1:2525", "[::1]:2525"]);
  assert.equal(read.value.queue.local_concurrency, 7);
  assert.equal(formatValue([]), "[]");
});

test("readConfig() names every problem at once, each with its line", () => {
  const source = [
    'hostname = "mail.example.test"',
    "[smtp]",
    'max_size = "12 parsecs"',
    "max_recipient = 100",
    "connections = -1",
    "[listen]",
    'mx = ["localhost:25"]',
    "imap = 143",
    "[lsiten]",
    "[dns]",
    'servers = ["127.0.0.1:5353"]',
    "[log]",
    'level = "loud"',
  ].join("\n");
  const read = readConfig(source);
  assert.ok(!read.ok);
  const problems = read.error.join("\n");
  for (const wanted of [
    /Line 3 of kenro\.toml: "smtp\.max_size": expected a size/,
    /Line 4 of kenro\.toml: unknown setting "smtp\.max_recipient"; did you mean "smtp\.max_recipients"\?/,
    /Line 5 of kenro\.toml: "smtp\.connections"/,
    /Line 7 of kenro\.toml: "listen\.mx/,
    /Line 8 of kenro\.toml: "listen\.imap"/,
    /Line 9 of kenro\.toml: unknown setting "lsiten"; did you mean "listen"\?/,
    /Line 13 of kenro\.toml: "log\.level"/,
  ])
    assert.match(problems, wanted);
  assert.equal(read.error.length, 7);
});

test("readConfig() says where TOML itself is broken, and what is missing", () => {
  for (const [source, wanted] of [
    ['hostname = "a.test"\n[smtp\n', /^Line 2 of kenro\.toml: /],
    ['hostname = "a.test"\nhostname = "b.test"\n', /^Line 2 of kenro\.toml: /],
    ["", /^kenro\.toml: the setting "hostname" is missing$/],
    ['hostname = "a b"', /^Line 1 of kenro\.toml: "hostname": expected a host name/],
    ["hostname = 5", /^Line 1 of kenro\.toml: "hostname": expected string/],
    ['hostname = "a.test"\nzzz = 1', /^Line 2 of kenro\.toml: unknown setting "zzz"$/],
    ['hostname = "a.test"\n\u0000', /^Line 2 of kenro\.toml: /],
  ] as const) {
    const read = readConfig(source);
    assert.ok(!read.ok, source);
    assert.match(read.error[0] ?? "", wanted);
  }
});

test("readConfig() takes addresses and ports that exist, and each only once", () => {
  for (const [lines, wanted] of [
    ['[listen]\nmx = ["0.0.0.0:1", "[::]:65535"]', undefined],
    [
      '[listen]\nmx = ["0.0.0.0:0"]',
      /Line 3 of kenro\.toml: "listen\.mx\.0": expected an address and a port/,
    ],
    ['[listen]\nmx = ["0.0.0.0:65536"]', /listen\.mx\.0/],
    ['[listen]\nmx = ["256.0.0.1:25"]', /listen\.mx\.0/],
    ['[listen]\nmx = ["[1.2.3.4]:25"]', /listen\.mx\.0/],
    ['[listen]\nmx = ["::1:25"]', /listen\.mx\.0/],
    ['[listen]\nmx = ["127.0.0.1"]', /listen\.mx\.0/],
    [
      '[listen]\nmx = ["127.0.0.1:25"]\nimap = ["127.0.0.1:25"]',
      /^Line 4 of kenro\.toml: "listen\.imap": "127\.0\.0\.1:25" is in "listen\.mx" already$/,
    ],
    ['[listen]\nmx = ["127.0.0.1:25", "127.0.0.1:25"]', /^Line 3 .* is in "listen\.mx" already$/],
    ['[dns]\nservers = ["127.0.0.1", "[::1]:5353", "192.0.2.1:53"]', undefined],
    ['[dns]\nservers = ["dns.example.test"]', /dns\.servers\.0/],
    ['[remote]\nsource_address = "192.0.2.1.5"', /Line 3 .*source_address/],
    ['[login]\nremember = "0"', undefined],
    ['[login]\nremember = "2d"', /expected at most 1d/],
  ] as const) {
    const read = readConfig(`hostname = "a.test"\n${lines}`);
    if (wanted === undefined) assert.ok(read.ok, lines);
    else assert.match(read.ok ? "" : read.error.join("\n"), wanted, lines);
  }
});

test("sliceFor() tells each role what is its own", () => {
  const read = readConfig('hostname = "a.test"\n[login]\nremember = "1m"\n[processes]\nreader = 2');
  assert.ok(read.ok);
  assert.deepEqual(sliceFor("auth", read.value), {
    log: "info",
    readers: 2,
    remember: 60_000,
    systemDomains: [],
    marks: "-+",
    folders: true,
  });
  assert.deepEqual(sliceFor("logger", read.value), { log: "info", size: 16_777_216, files: 20 });
});

/** A data directory with these files in tls/. */
function withTls(context: TestContext, files: Readonly<Record<string, string>>): string {
  const directory = fs.mkdtempSync(path.join(tmpdir(), "kenro-config-"));
  context.after(() => fs.rmSync(directory, { recursive: true, force: true }));
  fs.mkdirSync(path.join(directory, "tls"));
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(path.join(directory, "tls", name), text);
  return directory;
}

test("sliceFor() says what is wrong with a certificate, and gives it to those who show it", (context) => {
  const read = readConfig('hostname = "a.test"');
  assert.ok(read.ok);
  const day = 86_400_000;
  const make = () => selfSigned({ names: ["a.test"], addresses: [], from: 0, until: 20_000 * day });
  const [one, other] = [make(), make()];
  for (const [files, wanted] of [
    [{}, /^Cannot read tls\.certificate "tls\/cert\.pem": there is no such file$/],
    [{ "cert.pem": one.certificate }, /^Cannot read tls\.key "tls\/key\.pem": there is no such file$/],
    [{ "cert.pem": "", "key.pem": one.key }, /^Cannot use the certificate in \[tls\]: /],
    [{ "cert.pem": one.certificate, "key.pem": "x" }, /^Cannot use the certificate in \[tls\]: /],
    [{ "cert.pem": one.certificate, "key.pem": other.key }, /belongs to another certificate$/],
  ] as const)
    assert.throws(() => sliceFor("smtpd", read.value, withTls(context, files)), {
      name: "Trouble",
      message: wanted,
    });
  const good = withTls(context, { "cert.pem": one.certificate, "key.pem": one.key });
  const gate = sliceFor("gate", read.value, good);
  assert.deepEqual(gate.certificates, [{ ...one, names: ["a.test"] }]);
  assert.deepEqual([gate.connections, gate.listeners[0]?.bounds.perAddress], [10_000, 100]);
  const { listeners } = sliceFor("smtpd", read.value, good);
  assert.deepEqual(
    listeners.map(({ name, class: kind, tls, sockets }) => [name, kind, tls, sockets]),
    [
      ["mx", "mx", "starttls", ["mx.0", "mx.1"]],
      ["submission", "submission", "starttls", ["submission.0", "submission.1"]],
      ["submissions", "submission", "implicit", ["submissions.0", "submissions.1"]],
    ],
  );
});

test("lineOf() finds settings in sections and at the top", () => {
  const source = 'hostname = "x"\n\n[smtp]\n# max_size = 1\nmax_size = 2\n[queue]\nmax_size = 3\n';
  assert.equal(lineOf(source, ["hostname"]), 1);
  assert.equal(lineOf(source, ["smtp"]), 3);
  assert.equal(lineOf(source, ["smtp", "max_size"]), 5);
  assert.equal(lineOf(source, ["queue", "max_size"]), 7);
  assert.equal(lineOf(source, ["remote", "port"]), 0);
});

test("listenersOf() names each endpoint of each service", () => {
  const read = readConfig(
    `hostname = "a.test"\n[listen]\nmx = ["0.0.0.0:25", "[::]:25"]\nsubmission = []\nsubmissions = []\npop3 = []\npop3s = []\nimap = []\nimaps = ["127.0.0.1:993"]`,
  );
  assert.ok(read.ok);
  assert.deepEqual(
    listenersOf(read.value)
      .flatMap(({ sockets }) => sockets)
      .map(({ name, role, address, port }) => [name, role, address, port]),
    [
      ["mx.0", "smtpd", "0.0.0.0", 25],
      ["mx.1", "smtpd", "::", 25],
      ["imaps.0", "gate", "127.0.0.1", 993],
    ],
  );
});

test("sizes and durations are read as people write them", () => {
  for (const [given, wanted] of [
    [0, 0],
    [1024, 1024],
    ["1024", 1024],
    ["64k", 65_536],
    ["64K", 65_536],
    ["64 KiB", 65_536],
    ["50M", 52_428_800],
    ["1.5G", 1_610_612_736],
    ["1T", 1_099_511_627_776],
    ["", undefined],
    ["-1", undefined],
    ["1x", undefined],
    ["k", undefined],
    ["9999999T", undefined],
  ] as const) {
    const parsed = parseSize(given);
    assert.equal(parsed.ok ? parsed.value : undefined, wanted, String(given));
  }
  for (const [given, wanted] of [
    [0, 0],
    [30, 30_000],
    ["30", 30_000],
    ["500ms", 500],
    ["500 ms", 500],
    ["90s", 90_000],
    ["5m", 300_000],
    ["4h", 14_400_000],
    ["7d", 604_800_000],
    ["2w", 1_209_600_000],
    ["1.5h", 5_400_000],
    ["7 days", undefined],
    ["", undefined],
    ["-5s", undefined],
    ["99999999999999w", undefined],
  ] as const) {
    const parsed = parseDuration(given);
    assert.equal(parsed.ok ? parsed.value : undefined, wanted, String(given));
  }
});

test("sliceFor() tells auth whose domains are those of system users, and lspawn how they are delivered to", () => {
  const source =
    'hostname = "a.test"\n[system_users]\ndomains = ["b.test", "C.test:joe-shop"]\ncpu = "90s"\n';
  for (const [enabled, domains] of [
    ["off", []],
    [
      "on",
      [
        { domain: "b.test", prepend: "" },
        { domain: "c.test", prepend: "joe-shop" },
      ],
    ],
  ] as const) {
    const read = readConfig(`${source}enabled = "${enabled}"\n`);
    assert.ok(read.ok);
    assert.deepEqual(sliceFor("auth", read.value).systemDomains, domains);
    const { domain, bounds, otherwise } = sliceFor("lspawn", read.value);
    assert.deepEqual([domain, bounds.cpu, otherwise], ["a.test", 90, "./Maildir/"]);
  }
  const programs = readConfig(`${source}allow_programs = "on"\n`);
  assert.ok(programs.ok);
  const numbers = sliceFor("lspawn", programs.value).programs;
  // behind everybody who has a number
  assert.equal(ROLE_NUMBERS, numbered.length);
  assert.deepEqual([numbers.length, numbers[0]], [8, programs.value.users.base + numbered.length]);
  for (const bad of ['domains = ["a b"]', 'domains = ["a.test:"]', 'alias = "a:b"', "cpu = 0"])
    assert.equal(readConfig(`hostname = "a.test"\n[system_users]\n${bad}\n`).ok, false, bad);
});
