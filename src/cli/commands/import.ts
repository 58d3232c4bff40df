// kenro import qmail: moves a qmail site in (docs/qmail.md). It can be repeated: what is so already is said to be, and stays.

import fs from "node:fs";
import path from "node:path";
import { limits } from "#base/limits.ts";
import { loadConfig } from "#config/load.ts";
import { EXCEPTIONS } from "#policy/exceptions/file.ts";
import { parseExceptions } from "#policy/exceptions/table.ts";
import { print, printJson, type Run } from "../call.ts";
import { enter } from "../directory.ts";
import { Refusal } from "../exit.ts";
import { applyChanges } from "../qmail/apply.ts";
import { type Finding, finding, type Target } from "../qmail/findings.ts";
import { isSending, moveQueue } from "../qmail/messages.ts";
import { hostsOf, planOf } from "../qmail/plan.ts";
import { type QmailSite, readSite } from "../qmail/source.ts";
import { RULES, readRuleFile } from "../rulesdirectory.ts";
import { runSelf } from "../self.ts";
import { isRunning } from "../server.ts";
import { harmless } from "../text.ts";

const QMAIL = "/var/qmail";

export const qmail: Run = async ({ directory, args, options, json }) => {
  const from = path.resolve(args[0] ?? QMAIL);
  const rules = options["tcprules"] as string | undefined;
  const site = readSite(from, rules === undefined ? undefined : path.resolve(rules));
  if (site.control.size === 0)
    throw new Refusal(`There is no qmail in "${from}": it has no control files; name its directory`);
  enter(directory);
  const target = await targetOf(directory);
  const dryRun = options["dryRun"] === true;
  const plan = planOf(site, target);
  const found = dryRun ? plan : await applyChanges(directory, plan);
  const all = [...found, ...(await queueFindings(from, site, target, dryRun))];
  if (json) printJson(all.map(({ change: _, ...each }) => each));
  else show(all, dryRun);
  return 0;
};

interface Exported {
  readonly domain?: string;
  readonly catchAll?: string;
  readonly account?: string;
  readonly group?: string;
  readonly alias?: string;
  readonly to?: readonly string[];
}

async function targetOf(directory: string): Promise<Target> {
  const config = loadConfig(".");
  if (!config.ok) throw new Refusal(config.error.join("\n"));
  const entries = JSON.parse(
    runSelf(["directory", "export", "--json", "--dir", directory]),
  ) as readonly Exported[];
  const { exceptions } = parseExceptions(
    await readRuleFile(path.join(RULES, EXCEPTIONS), limits.policy.exceptions),
  );
  const rules = path.join(RULES, "smtp.rules");
  return {
    config: config.value,
    domains: new Set(entries.flatMap(({ domain }) => domain ?? [])),
    catchAlls: new Map(
      entries.flatMap(({ domain, catchAll }) =>
        domain !== undefined && catchAll !== undefined ? [[domain, catchAll] as const] : [],
      ),
    ),
    aliases: new Map(
      entries.flatMap(({ alias, to }) => (alias !== undefined && to ? [[alias, to] as const] : [])),
    ),
    taken: new Set(entries.flatMap(({ account, group }) => account ?? group ?? [])),
    denied: new Set(
      exceptions.filter(({ verdict }) => verdict === "deny").map(({ kind, value }) => `${kind}:${value}`),
    ),
    rules: fs.existsSync(rules) ? fs.readFileSync(rules, "latin1") : undefined,
  };
}

async function queueFindings(
  from: string,
  site: QmailSite,
  { config }: Target,
  dryRun: boolean,
): Promise<readonly Finding[]> {
  const queue = path.join(from, "queue");
  if (!fs.existsSync(path.join(queue, "mess"))) return [finding("queue", "note", "there is no queue")];
  const not = (text: string) => [finding("queue", "not", `${text}; then import again, for the queue`)];
  if (!dryRun && isRunning()) return not("this server runs: stop it");
  if (!dryRun && isSending(queue)) return not("qmail-send runs: stop it, or mail would be sent twice");
  return moveQueue({ queue, hosts: hostsOf(site), maxSize: config.smtp.max_size, dryRun });
}

const words: Readonly<Record<Finding["outcome"], string>> = {
  change: "done",
  same: "same",
  left: "left",
  not: "NOT ",
  note: "note",
};

function show(findings: readonly Finding[], dryRun: boolean): void {
  for (const { source, line, outcome, text } of findings) {
    const word = outcome === "change" && dryRun ? "will" : words[outcome];
    print(harmless(`${word}  ${source}${line === undefined ? "" : `:${line}`}  ${text}`));
  }
  const count = (outcome: Finding["outcome"]) => findings.filter((each) => each.outcome === outcome).length;
  const done = dryRun ? "to be done" : "done";
  print(
    `${count("change")} ${done}, ${count("same")} the same already, ${count("left")} left as they are here, ${count("not")} not possible`,
  );
  if (!dryRun && count("change") > 0) print("Now: kenro reload, or kenro start");
}
