import assert from "node:assert/strict";
import test from "node:test";
import { parse } from "smol-toml";
import { formatConfig, formatValue } from "./document.ts";
import { lineOf, listenersOf, readConfig } from "./load.ts";
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
    listenersOf(read.value).map(({ name, role, address, port }) => [name, role, address, port]),
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
