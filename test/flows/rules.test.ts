// Access rules against the programs they are from: the same bytes as tcprules, the same lines as tcprulescheck; then kenro rules as people call it.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { type TestContext } from "node:test";
import fc from "fast-check";
import { shellWord } from "#cli/text.ts";
import { compileRules } from "#policy/tcprules/compile.ts";
import { type Client, checkLines, firstMatch } from "#policy/tcprules/match.ts";
import { readRules } from "#policy/tcprules/ruleset.ts";
import { need } from "../support/tools.ts";

const executable = path.resolve(import.meta.dirname, "../../bin/kenro");
const seed = Number(process.env["FUZZ_SEED"] ?? 20_260_101);
const numRuns = Number(process.env["FUZZ_ITERATIONS"] ?? 300);

function place(context: TestContext): string {
  const directory = fs.mkdtempSync(path.join(tmpdir(), "kenro-rules-"));
  context.after(() => fs.rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A file of rules, and who asks about them. */
interface Case {
  readonly text: Buffer;
  readonly clients: readonly Client[];
}

interface Original {
  /** The file that tcprules makes, or the line it cannot understand (up to a NUL). */
  readonly made: Buffer | string;
  /** What tcprulescheck prints for each client. */
  readonly lines: readonly string[];
}

/** The originals' answers to all cases, from one shell, because a process started from here takes long. */
function originals(directory: string, cases: readonly Case[]): readonly Original[] {
  const script = cases.flatMap(({ text, clients }, n) => {
    fs.writeFileSync(path.join(directory, `${n}.in`), text);
    const asks = clients.map((client, m) => `${environment(client)} tcprulescheck ${n}.cdb >${n}.${m}`);
    return [`tcprules ${n}.cdb ${n}.tmp <${n}.in 2>${n}.err && { :`, ...asks, "}"];
  });
  const ran = spawnSync("sh", ["-u"], { cwd: directory, input: script.join("\n"), encoding: "latin1" });
  assert.equal(ran.stderr, "");
  const read = (name: string) => fs.readFileSync(path.join(directory, name));
  return cases.map(({ clients }, n) => {
    const said = read(`${n}.err`).toString("latin1");
    if (said === "")
      return { made: read(`${n}.cdb`), lines: clients.map((_, m) => read(`${n}.${m}`).toString("latin1")) };
    const [, line] = /^tcprules: fatal: unable to parse this line: (.*)\n$/s.exec(said) ?? [];
    assert.ok(line !== undefined, said);
    return { made: line, lines: [] };
  });
}

/** tcprulescheck reads environment variables. */
function environment({ address, name, info }: Client): string {
  const set = [`TCPREMOTEIP=${address}`];
  if (name !== undefined) set.push(`TCPREMOTEHOST=${shellWord(name)}`);
  if (info !== undefined) set.push(`TCPREMOTEINFO=${shellWord(info)}`);
  return set.join(" ");
}

/** Compares what we do with all cases; how many were rules at all. */
function same(directory: string, cases: readonly Case[]): number {
  const found = originals(directory, cases);
  const taken = cases.filter((each, n) => {
    const original = found[n];
    assert.ok(original);
    const bytes = sameBytes(each.text, original);
    if (bytes)
      for (const [m, client] of each.clients.entries())
        sameLines(each.text, bytes, client, original.lines[m]);
    return bytes !== undefined;
  });
  return taken.length;
}

/** As JSON for messages: text may be any bytes. */
const shown = (text: Buffer) => JSON.stringify(text.toString("latin1"));

/** Lines that the original refuses and we take: IPv6. */
const OURS = /^[^\n]*:[^\n]*:(?:allow|deny)/m;

/** Compiles and compares; the bytes, if both make some. */
function sameBytes(text: Buffer, { made }: Original): Buffer | undefined {
  const { compiled, problems } = compileRules(text, false);
  if (typeof made !== "string") {
    assert.ok(compiled, `${shown(text)} is refused: ${JSON.stringify(problems)}`);
    assert.ok(made.equals(compiled.cdb), `${shown(text)} gives other bytes`);
    return made;
  }
  if (OURS.test(text.toString("latin1"))) return undefined;
  const first = problems.find(({ kind }) => kind === "unreadable");
  assert.ok(!compiled && first, `${shown(text)} is taken, but "${made}" is refused`);
  const line = text.toString("latin1").split("\n")[first.line - 1];
  // the original prints a C string
  assert.equal(line?.replace(/[ \t]+$/, "").split("\0")[0], made);
  return undefined;
}

/** Asks the compiled rules, and the text too when a server would take it. */
function sameLines(text: Buffer, cdb: Buffer, client: Client, lines: string | undefined): void {
  for (const bytes of [cdb, text]) {
    const rules = readRules(bytes, "rules", false);
    if (!rules.ok) {
      assert.match(rules.error.at(-1) ?? "", /holds no rule$/);
      continue;
    }
    const match = firstMatch(rules.value, client);
    assert.ok(match.ok);
    assert.equal(
      checkLines(match.value).toString("latin1"),
      lines,
      `${shown(text)} ${JSON.stringify(client)}`,
    );
  }
}

const examples = [
  "18.23.0.32:deny\n",
  "joe@127.0.0.1:allow\n18.23.0.32:allow\n:allow\n127.:allow\n",
  "1.2.3.37-53:deny\n10.2-3.:allow\n",
  ":deny\n",
  '10.0.:allow,RELAYCLIENT="@fix.me"\n10.0.:allow,RELAYCLIENT=/@fix.me/\n',
  '127.0.0.1:allow,RELAYCLIENT="",TCPLOCALHOST="movie.edu"\n',
  '127.0.0.1:allow,RELAYCLIENT=""\n192.168.1.:allow,RELAYCLIENT=""\n:allow\n',
  '=.hotmail.com:allow,ACCEPTDOMAINS="@hotmail.com"\n=old.server.example:allow,ACCEPTDOMAINS=".jp/.org",ADONLY=""\n',
  "# a comment\n\n  \nno colon\n1.2.3.4:deny\t \n=:allow\n=.example.com:deny",
  "",
];

const everybody: readonly Client[] = ["0.0.0.0", "127.0.0.1", "18.23.0.32", "1.2.3.40", "10.2.3.4"].flatMap(
  (ip) =>
    [undefined, "a.b.example.com", "old.server.example", "mail.hotmail.com", "com"].flatMap((host) =>
      [undefined, "joe"].map((user) => ({ address: ip, name: host, info: user })),
    ),
);

test("the documented examples give the bytes of tcprules and the lines of tcprulescheck", (context) => {
  if (!need(context, "tcprules", "tcprulescheck")) return;
  const cases = examples.map((text) => ({ text: Buffer.from(text), clients: everybody }));
  assert.equal(same(place(context), cases), examples.length);
});

const ipPool = ["1.2.3.4", "1.2.3.", "1.2.", "1.", "10.1.2.3", "10.1.", "10.", "255.255.255.255"];
const namePool = ["a", "a.b", "b.c", "a.b.c", "x.a.b.c", "a..c", ".b.c", "a_b.c"];
const infoPool = ["joe", "", "a=b", "a@b", "joe doe"];
const rangePool = [
  "1.2.3.2-6",
  "1.1-3.",
  "0-255.",
  "9-11.1.",
  "1.2.250-300.",
  "5-4.",
  "1.2.3.4-",
  "-1.",
  "a-b",
  "1-2-3",
];

const aName = fc.constantFrom(...namePool);
const anInfo = fc.constantFrom(...infoPool);
const anAddress = fc.oneof(
  fc.constantFrom("", "=", ...ipPool, ...rangePool),
  aName.map((each) => `=${each}`),
  aName.map((each) => `=.${each}`),
  fc.tuple(anInfo, fc.constantFrom(...ipPool)).map(([who, ip]) => `${who}@${ip}`),
  fc.tuple(anInfo, aName).map(([who, host]) => `${who}@=${host}`),
);
const value = fc.stringMatching(/^[a-z@./= ,:-]{0,6}$/);
const variable = fc
  .tuple(
    fc.constantFrom("RELAYCLIENT", "A", "B", "", "A,B"),
    value,
    fc.constantFrom('"', "/", "'", "%", "|", "\xe4"),
  )
  .map(([each, what, quote]) => `,${each}=${quote}${what.replaceAll(quote, "")}${quote}`);
const instructions = fc
  .tuple(fc.constantFrom("allow", "deny"), fc.array(variable, { maxLength: 3 }))
  .map(([verdict, variables]) => verdict + variables.join(""));
const rule = fc
  .tuple(anAddress, instructions, fc.constantFrom("", "", " ", "\t \t"))
  .map(([a, i, end]) => `${a}:${i}${end}`);
const line = fc.oneof(
  { weight: 12, arbitrary: rule },
  { weight: 1, arbitrary: fc.constantFrom("", " ", "# comment:deny", "no colon", " #:allow") },
);
const rulesFile = fc
  .tuple(fc.array(line, { maxLength: 25 }), fc.boolean())
  .map(([lines, open]) => lines.join("\n") + (open ? "" : "\n"));

const soup = fc
  .array(
    fc.constantFrom(
      ..."0|1|2|255|256|300|1.2.3.4|10.|.|-|=|@|#|:|,|::1|2001:db8::|/8|99999999999999999999|18446744073709551617".split(
        "|",
      ),
      ...':allow|:deny|allow|deny|,A="x"|,B=""|,A=|,C=//|"|x|\n|\n|\n| |\t|\0|\r|\xff'.split("|"),
      "9".repeat(100),
    ),
    { maxLength: 30 },
  )
  .map((parts) => Buffer.from(parts.join(""), "latin1"));

const latin1 = (text: string) => Buffer.from(text, "latin1");

test("generated rules give the same bytes, also those that make no sense", (context) => {
  if (!need(context, "tcprules")) return;
  context.diagnostic(`seed ${seed}`);
  const directory = place(context);
  for (const [arbitrary, least] of [
    [rulesFile.map(latin1), 0.1],
    [rule.map(latin1), 0.6],
    [soup, 0.1],
  ] as const) {
    const cases = fc.sample(arbitrary, { seed, numRuns }).map((text) => ({ text, clients: [] }));
    const taken = same(directory, cases);
    assert.ok(taken >= least * numRuns, `only ${taken} of ${numRuns} were rules at all`);
  }
});

test("generated rules say the same about generated clients", (context) => {
  if (!need(context, "tcprules", "tcprulescheck")) return;
  context.diagnostic(`seed ${seed}`);
  const addresses = ["1.2.3.4", "1.2.9.9", "1.250.3.4", "10.1.2.3", "11.1.1.1", "255.255.255.255", "0.0.0.0"];
  const client = fc.record({
    address: fc.constantFrom(...addresses),
    name: fc.option(aName, { nil: undefined }),
    info: fc.option(anInfo, { nil: undefined }),
  });
  const cases = fc.record({
    // few, so that the original takes most files
    text: fc.array(rule, { minLength: 1, maxLength: 6 }).map((lines) => latin1(lines.join("\n"))),
    clients: fc.array(client, { minLength: 3, maxLength: 5 }),
  });
  const taken = same(place(context), fc.sample(cases, { seed, numRuns }));
  assert.ok(taken > numRuns / 3, `only ${taken} of ${numRuns} were rules at all`);
});

test("tcprulescheck reads what Kenro compiles, and passes by the rules that only Kenro knows", (context) => {
  if (!need(context, "tcprulescheck")) return;
  const directory = place(context);
  const { compiled } = compileRules(
    Buffer.from("10.1.0.0/16:deny\n2001:db8::/32:deny\n=a.b:deny\n:allow"),
    true,
  );
  fs.writeFileSync(path.join(directory, "ours.cdb"), compiled?.cdb ?? "");
  assert.equal(ask(directory, { address: "10.1.2.3" }), "rule :\nallow connection\n");
  assert.equal(ask(directory, { address: "10.1.2.3", name: "a.b" }), "rule =a.b:\ndeny connection\n");
});

/** What tcprulescheck prints about ours.cdb. */
function ask(cwd: string, client: Client): string {
  const ran = spawnSync("sh", ["-c", `${environment(client)} tcprulescheck ours.cdb`], {
    cwd,
    encoding: "latin1",
  });
  assert.equal(ran.stderr, "");
  return ran.stdout;
}

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function kenro(cwd: string, args: readonly string[], input: string | Buffer = ""): Ran {
  const ran = spawnSync(executable, ["rules", ...args], { cwd, input, timeout: 60_000 });
  return { code: ran.status, out: ran.stdout.toString("latin1"), err: ran.stderr.toString("latin1") };
}

test("kenro rules compile writes the file of tcprules as a whole, and nothing when the rules are bad", (context) => {
  const cwd = place(context);
  const at = (name: string) => path.join(cwd, name);
  const good = '127.:allow,RELAYCLIENT=""\n:deny\n';
  fs.writeFileSync(at("smtp"), good);
  assert.deepEqual(kenro(cwd, ["compile", "smtp"]), { code: 0, out: "Wrote smtp.cdb: 2 rules\n", err: "" });
  const made = fs.readFileSync(at("smtp.cdb"));
  if (need(context, "tcprules"))
    assert.deepEqual(originals(place(context), [{ text: Buffer.from(good), clients: [] }])[0]?.made, made);
  assert.equal(fs.statSync(at("smtp.cdb")).mode & 0o444, 0o444);
  // through standard input, onto a link
  fs.symlinkSync("smtp.cdb", at("link"));
  const joined = kenro(cwd, ["compile", "-", "-o", "link", "--strict"], `${good}=.bad.example:deny`);
  assert.deepEqual(joined, { code: 0, out: "Wrote link: 3 rules\n", err: "" });
  assert.ok(fs.lstatSync(at("link")).isSymbolicLink());
  const three = fs.readFileSync(at("smtp.cdb"));
  assert.ok(three.length > made.length);
  const bad = kenro(cwd, ["compile", "-", "-o", "smtp.cdb"], "1.2.3.4\n1.2.3.4:alow\n:x\n");
  assert.equal(bad.code, 1);
  assert.equal(
    bad.err,
    'Line 1 of standard input: "1.2.3.4" has no colon and is ignored\n' +
      'Line 2 of standard input: Cannot understand "1.2.3.4:alow": behind the colon is neither "allow" nor "deny"\n' +
      'Line 3 of standard input: Cannot understand ":x": behind the colon is neither "allow" nor "deny"\n' +
      "smtp.cdb stays as it was\n",
  );
  const slip = kenro(cwd, ["compile", "-", "-o", "smtp.cdb", "--strict"], "1.2.3:deny");
  assert.deepEqual([slip.code, slip.err.split("\n").length], [1, 3]);
  assert.ok(fs.readFileSync(at("smtp.cdb")).equals(three));
  const json = kenro(cwd, ["compile", "-", "-o", "smtp.cdb", "--json"], "1.2.3:deny\n1.2.3:allow");
  const { rules, written, problems } = JSON.parse(json.out) as Record<string, unknown>;
  assert.deepEqual([json.code, rules, written, (problems as unknown[]).length], [0, 2, true, 3]);
  assert.deepEqual(
    fs.readdirSync(cwd).filter((each) => each.includes("kenro")),
    [],
  );
});

test("kenro rules check prints the lines of tcprulescheck, then what Kenro does and why", (context) => {
  const cwd = place(context);
  const text = '127.:allow,RELAYCLIENT=""\n=.bad.example:deny,BADHOST="known"\n2001:db8::/32:deny\n';
  fs.writeFileSync(path.join(cwd, "smtp"), text);
  const stock = "rule 127.:\nset environment variable RELAYCLIENT=\nallow connection\n";
  assert.deepEqual(
    kenro(cwd, ["check", "smtp", "--ip", "127.0.0.1", "--name", "X.bad.example", "--info", "joe"]),
    {
      code: 0,
      out:
        stock +
        'Address 127.0.0.1: rule "127." in line 1 of smtp allows, RELAYCLIENT=""\n' +
        'Name X.bad.example: rule "=.bad.example" in line 2 of smtp denies, BADHOST="known"\n' +
        'Kenro: deny, RELAYCLIENT="", BADHOST="known"\n',
      err: "",
    },
  );
  assert.equal(kenro(cwd, ["compile", "smtp"]).code, 0);
  assert.equal(
    kenro(cwd, ["check", "smtp.cdb", "--ip", "9.9.9.9"]).out,
    "default:\nallow connection\nAddress 9.9.9.9: no rule\nEverybody: no rule\nKenro: allow\n",
  );
  const json = kenro(cwd, ["check", "smtp.cdb", "--ip", "2001:DB8::9", "--json"]);
  const { verdict, matches, tcprulescheck: lines } = JSON.parse(json.out) as Record<string, unknown>;
  assert.deepEqual([verdict, lines], ["deny", ["rule 2001:db8::/32:", "deny connection"]]);
  assert.deepEqual(matches, [
    { side: "address", rule: "2001:db8::/32", line: null, verdict: "deny", variables: {} },
  ]);
  if (!need(context, "tcprulescheck")) return;
  fs.renameSync(path.join(cwd, "smtp.cdb"), path.join(cwd, "ours.cdb"));
  assert.equal(ask(cwd, { address: "127.0.0.1", name: "x.bad.example" }), stock);
});

test("kenro rules f2d makes an entry of every line that can be one", (context) => {
  const cwd = place(context);
  const list =
    "# list\nExample.ORG\n.jp\n\n../x\na/b\n..\nunknown\na\0b\n" +
    `${"x".repeat(256)}\n  spaced \r\nexample.org\n`;
  fs.writeFileSync(path.join(cwd, "list"), list);
  fs.mkdirSync(path.join(cwd, "dir/unknown"), { recursive: true });
  const ran = kenro(cwd, ["f2d", "list", "dir"]);
  assert.equal(ran.code, 1);
  assert.equal(ran.out, "dir: 3 made, 1 there already, 6 refused\n");
  assert.deepEqual(
    ran.err
      .trimEnd()
      .split("\n")
      .map((each) => each.replace(/: Cannot make an entry of ".*": /, " ")),
    [
      'Line 5 of list it has a "/"',
      'Line 6 of list it has a "/"',
      "Line 7 of list it is the name of a directory",
      "Line 8 of list something else with this name is there",
      "Line 9 of list it has a NUL",
      "Line 10 of list it is longer than 255 bytes",
    ],
  );
  const entries = () => fs.readdirSync(path.join(cwd, "dir")).sort();
  assert.deepEqual(entries(), [".jp", "example.org", "spaced", "unknown"]);
  fs.writeFileSync(path.join(cwd, "dir/README"), "not an entry");
  assert.match(kenro(cwd, ["f2d", "list", "dir", "--prune"]).err, /Nothing is removed/);
  assert.match(kenro(cwd, ["f2d", "-", "dir", "--prune"], "").err, /Nothing is removed/);
  assert.equal(
    kenro(cwd, ["f2d", "-", "dir", "--prune"], ".jp\nnew\n").out,
    "dir: 1 made, 1 there already, 2 removed\n",
  );
  assert.deepEqual(entries(), [".jp", "README", "new", "unknown"]);
});

test("what cannot be done is one sentence and the exit code of the contract", (context) => {
  const cwd = place(context);
  fs.writeFileSync(path.join(cwd, "smtp"), ":allow\n");
  fs.writeFileSync(path.join(cwd, "cut.cdb"), Buffer.alloc(3000, 1).fill(0, 4, 8));
  fs.mkdirSync(path.join(cwd, "directory"));
  for (const [code, args] of [
    [2, ["compile"]],
    [2, ["compile", "-"]],
    [2, ["compile", "smtp", "-o", "./smtp"]],
    [2, ["check", "smtp"]],
    [2, ["check", "smtp", "--ip", "1.2.3"]],
    [2, ["check", "smtp", "--ip", "a.example"]],
    [2, ["check", "smtp", "--nonsense"]],
    [2, ["f2d", "smtp"]],
    [1, ["compile", "missing"]],
    [1, ["compile", "directory"]],
    [1, ["compile", "cut.cdb", "-o", "out.cdb"]],
    [1, ["compile", "smtp", "-o", "directory"]],
    [1, ["compile", "smtp", "-o", "/dev/null"]],
    [1, ["compile", "smtp", "-o", "missing/smtp.cdb"]],
    [1, ["check", "missing", "--ip", "1.2.3.4"]],
    [1, ["check", "cut.cdb", "--ip", "1.2.3.4"]],
    [1, ["f2d", "missing", "directory"]],
    [1, ["f2d", "smtp", "cut.cdb"]],
  ] as const) {
    const ran = kenro(cwd, args);
    assert.match(ran.err, /^[A-Z"][^\n]{10,}\n$/, args.join(" "));
    assert.equal(ran.code, code, `${args.join(" ")}: ${ran.err}`);
    assert.equal(ran.out, "", args.join(" "));
  }
  assert.ok(fs.statSync("/dev/null").isCharacterDevice());
  assert.deepEqual(fs.readdirSync(cwd).sort(), ["cut.cdb", "directory", "smtp"]);
});
