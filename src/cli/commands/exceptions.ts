// kenro policy allow, deny, exceptions: what the administrator says of somebody, whatever the rules say. Lines that people have written
// into the file stay as they are.

import path from "node:path";
import { limits } from "#base/limits.ts";
import { parseDuration } from "#config/units.ts";
import { EXCEPTIONS } from "#policy/exceptions/file.ts";
import {
  type About,
  type Exception,
  formatException,
  parseAbout,
  parseException,
} from "#policy/exceptions/line.ts";
import { parseExceptions } from "#policy/exceptions/table.ts";
import { realDisk, replaceSynced } from "#sys/disk.ts";
import { type Call, complain, print, printJson, type Run } from "../call.ts";
import { enter } from "../directory.ts";
import { type ExitCode, Refusal, usage } from "../exit.ts";
import { author, RULE_FILE, RULES, readRuleFile, withRules } from "../rulesdirectory.ts";
import { formatTime, harmless, table } from "../text.ts";

const FILE = path.join(RULES, EXCEPTIONS);

const HEAD = [
  "# Exceptions: who is spared from the session rules (allow) or refused whatever they say (deny). One a line:",
  "#   allow client:192.0.2.0/24 until 2030-01-01T00:00:00Z by ann # why",
  "# client:ADDRESS or NETWORK, name:NAME or .SUFFIX, helo:NAME, from:ADDRESS or @DOMAIN, to:ADDRESS. Read again when it changes.",
];

export const allow: Run = (call) => add(call, "allow");
export const deny: Run = (call) => add(call, "deny");

async function add(call: Call, verdict: Exception["verdict"]): Promise<ExitCode> {
  const about = aboutOf(call);
  const { comment = "", expires } = call.options as Readonly<Record<string, string | undefined>>;
  if (comment.length > limits.policy.comment)
    throw usage(`The comment is longer than ${limits.policy.comment} characters`);
  const until = expires === undefined ? undefined : timeOf(expires);
  const made: Exception = { ...about, verdict, until, by: author(), comment };
  await withRules(call.directory, async () => {
    const before = await readLines();
    const kept = before.length === 0 ? HEAD : without(before, about).kept;
    await write([...kept, formatException(made)]);
  });
  if (call.json) printJson(shown(made));
  else print(formatException(made));
  return 0;
}

export const list: Run = async ({ directory, json }) => {
  enter(directory);
  const { exceptions, problems } = parseExceptions((await readLines()).join("\n"));
  for (const problem of problems) complain(`${FILE}, ${harmless(problem)}`);
  if (json) printJson(exceptions.map(shown));
  else if (exceptions.length === 0) print("No exceptions");
  else {
    const rows = exceptions.map((each) => [
      each.verdict,
      `${each.kind}:${each.value}`,
      untilText(each),
      each.by,
      harmless(each.comment),
    ]);
    for (const line of table(["", "WHAT", "UNTIL", "BY", "COMMENT"], rows)) print(line);
  }
  return problems.length > 0 ? 1 : 0;
};

export const remove: Run = async (call) => {
  const about = aboutOf(call);
  const gone = await withRules(call.directory, async () => {
    const { kept, removed } = without(await readLines(), about);
    if (removed > 0) await write(kept);
    return removed > 0;
  });
  if (!gone)
    throw new Refusal(
      `There is no exception for ${about.kind}:${about.value}; see: kenro policy exceptions list`,
    );
  print(`Removed ${about.kind}:${about.value}`);
  return 0;
};

function aboutOf({ args }: Call): About {
  const about = parseAbout(args[0] ?? "");
  if (!about.ok) throw usage(about.error);
  return about.value;
}

/** "30d" from now on, or a date. */
function timeOf(text: string): number {
  const span = parseDuration(text);
  const at = span.ok ? Date.now() + span.value : Date.parse(text);
  if (Number.isNaN(at))
    throw usage(`Cannot read "${text}": expected a time such as "30d", "12h" or "2030-01-31"`);
  if (at <= Date.now()) throw usage(`"${text}" has passed already`);
  if (at > limits.policy.latest) throw usage(`"${text}" is too far away; leave --expires out`);
  return at;
}

const readLines = async (): Promise<readonly string[]> =>
  (await readRuleFile(FILE, limits.policy.exceptions))
    .split("\n")
    .filter((line, at, all) => line !== "" || at < all.length - 1);

function without(lines: readonly string[], { kind, value }: About) {
  const kept = lines.filter((line) => {
    const read = parseException(line);
    return !read.ok || read.value?.kind !== kind || read.value.value !== value;
  });
  return { kept, removed: lines.length - kept.length };
}

async function write(lines: readonly string[]): Promise<void> {
  await replaceSynced(realDisk, FILE, Buffer.from(`${lines.join("\n")}\n`), RULE_FILE);
}

const untilText = ({ until }: Exception): string => {
  if (until === undefined) return "";
  return until > Date.now() ? formatTime(until) : "expired";
};

const shown = ({ verdict, kind, value, until, by, comment }: Exception) => ({
  verdict,
  what: `${kind}:${value}`,
  until: until === undefined ? null : new Date(until).toISOString(),
  expired: until !== undefined && until <= Date.now(),
  by,
  comment,
});
