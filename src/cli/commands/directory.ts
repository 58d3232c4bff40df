// kenro directory export, import: the whole directory as one file that people can read and compare.

import fs from "node:fs";
import { contentsOf, formatEntry } from "#store/accounts/contents.ts";
import { type Difference, importContents } from "#store/accounts/import.ts";
import { openAccounts } from "../account.ts";
import { complain, print, printJson, type Run } from "../call.ts";

const HEAD =
  "# The directory of a Kenro mail server: kenro directory import FILE reads it (docs/directory.md)\n";

export const exportTo: Run = async ({ directory, args: [file], json }) => {
  const at = file ?? "-";
  // opened with the rights of whoever calls, before they are given up: it holds the passwords as they are stored
  const into = at === "-" ? 1 : fs.openSync(at, "w", 0o600);
  using accounts = openAccounts(directory);
  const entries = contentsOf(accounts);
  if (json) printJson(entries.map(({ value }) => value));
  else fs.writeFileSync(into, HEAD + entries.map((entry) => `${formatEntry(entry)}\n`).join(""));
  return 0;
};

export const importFrom: Run = async ({ directory, args: [file = "-"], options, json }) => {
  // read with the rights of whoever calls; what comes on standard input is there for this process or for the one that takes its place
  const named = file === "-" ? undefined : fs.readFileSync(file, "utf8");
  using accounts = openAccounts(directory);
  const text = named ?? fs.readFileSync(0, "utf8");
  const dryRun = options["dryRun"] === true;
  const found = importContents(accounts, text, {
    replace: options["replace"] === true,
    dryRun,
    now: Date.now(),
  });
  if (json) printJson(found);
  else show(found, dryRun);
  return found.problems.length === 0 ? 0 : 1;
};

function show({ added, changed, removed, problems }: Difference, dryRun: boolean): void {
  if (problems.length > 0) {
    for (const problem of problems) complain(problem);
    complain("Nothing was changed");
    return;
  }
  if (dryRun) {
    for (const line of removed) print(`- ${line}`);
    for (const { before, after } of changed) {
      print(`- ${before}`);
      print(`+ ${after}`);
    }
    for (const line of added) print(`+ ${line}`);
  }
  const counts = `${added.length} added, ${changed.length} changed, ${removed.length} removed`;
  print(dryRun ? `Would be: ${counts}` : counts);
}
