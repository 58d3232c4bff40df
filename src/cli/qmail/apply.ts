// Changes this server as findings ask for it: kenro.toml once, the directory by its own commands, rules as the commands for rules do.

import fs from "node:fs";
import { CONFIG_FILE } from "#config/file.ts";
import { readConfig } from "#config/load.ts";
import { EXCEPTIONS } from "#policy/exceptions/file.ts";
import { formatException, parseAbout } from "#policy/exceptions/line.ts";
import { realDisk, replaceSynced } from "#sys/disk.ts";
import { Refusal } from "../exit.ts";
import { author, RULE_FILE, RULES, withRules } from "../rulesdirectory.ts";
import { runSelf } from "../self.ts";
import type { Change, Finding } from "./findings.ts";
import { withBlock, withSetting } from "./toml.ts";

type Of<K extends Change["kind"]> = Extract<Change, { kind: K }>;

/** Makes all changes; what could not be made comes back as it turned out. Refusal when kenro.toml would be wrong with them. */
export async function applyChanges(
  directory: string,
  findings: readonly Finding[],
): Promise<readonly Finding[]> {
  const of = <K extends Change["kind"]>(kind: K): readonly Of<K>[] =>
    findings.flatMap(({ change }) => (change?.kind === kind ? [change as Of<K>] : []));
  changeConfig(of("setting"), of("route"));
  const problems = changeDirectory(directory, findings);
  const [denied, rules] = [of("deny"), of("rules")];
  if (denied.length + rules.length > 0)
    await withRules(directory, async () => {
      if (denied.length > 0) await deny(denied.map(({ what }) => what));
      for (const { text } of rules)
        await replaceSynced(realDisk, `${RULES}/smtp.rules`, Buffer.from(text, "latin1"), RULE_FILE);
    });
  return findings.map((each) => problems.get(each) ?? each);
}

function changeConfig(settings: readonly Of<"setting">[], routes: readonly Of<"route">[]): void {
  if (settings.length + routes.length === 0) return;
  const before = fs.readFileSync(CONFIG_FILE, "utf8");
  let text = before;
  for (const { section, name, value } of settings) text = withSetting(text, section, name, value);
  for (const { recipients, host } of routes) text = withBlock(text, "route", { recipients, host });
  const checked = readConfig(text);
  if (!checked.ok)
    throw new Refusal(`${CONFIG_FILE} would be wrong then, so nothing was changed: ${checked.error[0]}`);
  const { mode, uid, gid } = fs.statSync(CONFIG_FILE);
  const draft = `${CONFIG_FILE}.new`;
  fs.rmSync(draft, { force: true });
  fs.writeFileSync(draft, text, { mode: mode & 0o777, flag: "wx", flush: true });
  fs.chownSync(draft, uid, gid);
  fs.renameSync(draft, CONFIG_FILE);
}

/** Domains and aliases; what the directory refuses, with its reason. */
function changeDirectory(directory: string, findings: readonly Finding[]): ReadonlyMap<Finding, Finding> {
  const problems = new Map<Finding, Finding>();
  const attempt = (each: Finding, work: () => void) => {
    try {
      work();
    } catch (thrown) {
      if (!(thrown instanceof Refusal)) throw thrown;
      problems.set(each, { ...each, outcome: "not", text: `${each.text}: ${thrown.message.split("\n")[0]}` });
    }
  };
  const lists = findings.filter(({ change }) => change?.kind === "domain" || change?.kind === "alias");
  const lines = lists.map(({ change }) => lineOf(change));
  try {
    if (lines.length > 0) importLines(directory, lines);
  } catch (thrown) {
    if (!(thrown instanceof Refusal)) throw thrown;
    // with one wrong line it takes none: now each alone
    for (const [at, each] of lists.entries()) attempt(each, () => importLines(directory, [lines[at] ?? ""]));
  }
  for (const each of findings) {
    const { change } = each;
    if (change?.kind !== "catchAll") continue;
    attempt(
      each,
      () => void runSelf(["domain", "set", change.domain, "--catch-all", change.to, "--dir", directory]),
    );
  }
  return problems;
}

const importLines = (directory: string, lines: readonly string[]): void =>
  void runSelf(["directory", "import", "-", "--dir", directory], `${lines.join("\n")}\n`);

function lineOf(change: Change | undefined): string {
  if (change?.kind === "domain") return JSON.stringify({ domain: change.name });
  if (change?.kind === "alias") return JSON.stringify({ alias: change.address, to: change.to });
  return "";
}

async function deny(whom: readonly string[]): Promise<void> {
  const file = `${RULES}/${EXCEPTIONS}`;
  const before = fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "";
  const lines = whom.flatMap((what) => {
    const about = parseAbout(what);
    if (!about.ok) return [];
    const made = {
      ...about.value,
      verdict: "deny",
      until: undefined,
      by: author(),
      comment: "badmailfrom",
    } as const;
    return [`${formatException(made)}\n`];
  });
  const start = before === "" || before.endsWith("\n") ? before : `${before}\n`;
  await replaceSynced(realDisk, file, Buffer.from(start + lines.join("")), RULE_FILE);
}
