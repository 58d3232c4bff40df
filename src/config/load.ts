// Reads kenro.toml as a whole: every problem at once, each with its line.

import fs from "node:fs";
import path from "node:path";
import { parse, TomlError } from "smol-toml";
import type { z } from "zod";
import { codeOf, messageOf } from "#base/problem.ts";
import { err, ok, type Result } from "#base/result.ts";
import { CONFIG_FILE } from "./file.ts";
import { isBlock, lineOf, nearest, type Problem } from "./lines.ts";
import { listenerProblems } from "./listeners.ts";
import { type Config, configSchema } from "./schema.ts";

/** The configuration in a data directory, or all its problems as sentences. */
export function loadConfig(directory: string): Result<Config, readonly string[]> {
  const file = path.join(directory, CONFIG_FILE);
  let source: string;
  try {
    source = fs.readFileSync(file, "utf8");
  } catch (thrown) {
    const shown = path.resolve(directory);
    if (codeOf(thrown) === "ENOENT") {
      return err([`Cannot read "${file}": there is none; make it with: kenro init --dir ${shown}`]);
    }
    return err([`Cannot read "${file}": ${messageOf(thrown)}`]);
  }
  return readConfig(source);
}

/** As loadConfig, from the text of the file. */
export function readConfig(source: string): Result<Config, readonly string[]> {
  let parsed: unknown;
  try {
    parsed = parse(source);
  } catch (thrown) {
    if (!(thrown instanceof TomlError)) throw thrown;
    return err([`Line ${thrown.line} of ${CONFIG_FILE}: ${thrown.message.split("\n")[0]}`]);
  }
  const checked = configSchema.safeParse(parsed);
  if (checked.success) {
    const problems = [
      ...listenerProblems(checked.data),
      ...contentProblems(checked.data),
      ...routeProblems(checked.data),
    ].map((problem) => told(problem, source));
    return problems.length === 0 ? ok(checked.data) : err(problems);
  }
  return err(checked.error.issues.flatMap((issue) => explain(issue, source, parsed)));
}

function explain(issue: z.core.$ZodIssue, source: string, parsed: unknown): readonly string[] {
  const where = issue.path.map(String);
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => {
      const name = nameOf([...where, key]);
      const near = nearest(where, key);
      const hint = near ? `; did you mean "${near}"?` : "";
      return `Line ${lineOf(source, [...where, key])} of ${CONFIG_FILE}: unknown setting "${name}"${hint}`;
    });
  }
  const line = lineOf(source, where);
  if (line === 0) return [`${CONFIG_FILE}: the setting "${nameOf(where)}" is missing`];
  if (isBlock(where) && valueAt(parsed, issue.path) === undefined)
    return [`Line ${line} of ${CONFIG_FILE}: the setting "${nameOf(where)}" is missing`];
  return [told({ where, text: issue.message.replace(/^Invalid input: /, "") }, source)];
}

const valueAt = (root: unknown, where: readonly PropertyKey[]): unknown =>
  where.reduce((value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key], root);

const told = ({ where, text }: Problem, source: string): string =>
  `Line ${lineOf(source, where)} of ${CONFIG_FILE}: "${nameOf(where)}": ${text}`;

/** The line says which block it is. */
const nameOf = (where: readonly string[]): string =>
  (isBlock(where) ? where.filter((_, at) => at !== 1) : where).join(".");

/** What of a [[route]] does not go together. */
function routeProblems({ route }: Config): readonly Problem[] {
  return route.flatMap(({ host, protocol, tls, user, password_file: file }, at) => {
    const problem = (setting: string, text: string): Problem => ({
      where: ["route", String(at), setting],
      text,
    });
    const near = host.startsWith("unix:") || /^(?:127\.|\[::1\]|localhost(?::|$))/.test(host);
    const rows: readonly [wrong: boolean, problem: Problem][] = [
      [
        protocol === "lmtp" && host === "",
        problem("protocol", "exchangers in DNS speak no LMTP; name a host"),
      ],
      [
        protocol === "smtp" && host.startsWith("unix:"),
        problem("host", 'a socket of this machine takes protocol = "lmtp"'),
      ],
      [
        (user === "") !== (file === ""),
        problem("user", "a user needs a password_file, and a password_file a user"),
      ],
      [user !== "" && host === "", problem("user", "a login is for one host; name it")],
      [
        user !== "" && !near && (tls === "none" || tls === "may"),
        problem("tls", 'a password goes out only with tls = "require" or "verify"'),
      ],
      [
        tls === "verify" && host.startsWith("unix:"),
        problem("tls", "a socket of this machine proves no name"),
      ],
    ];
    return rows.flatMap(([wrong, found]) => (wrong ? [found] : []));
  });
}

/** Two of the same name could not be told apart in the log. */
function contentProblems({ content }: Config): readonly Problem[] {
  return content.flatMap(({ name }, at) =>
    content.findIndex((other) => other.name === name) < at
      ? [{ where: ["content", String(at), "name"], text: `another [[content]] is called "${name}"` }]
      : [],
  );
}
