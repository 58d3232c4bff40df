// kenro spamdb: rules that others keep, tried out on what came before they count.

import { limits } from "#base/limits.ts";
import { broadEntries } from "#policy/feeds/breadth.ts";
import { entryName } from "#policy/feeds/entry.ts";
import { parseKey } from "#policy/feeds/manifest.ts";
import { type Call, complain, print, printJson, type Run } from "../call.ts";
import { enter } from "../directory.ts";
import { type ExitCode, Refusal, usage } from "../exit.ts";
import { sourceOf } from "../feeds/source.ts";
import {
  activate,
  activeOf,
  checkName,
  feedNames,
  readState,
  readVersion,
  removeFeed,
  removeVersions,
  takeOut,
  versionOf,
  writeState,
} from "../feeds/store.ts";
import { reasons, tryOut, type Updated, updateFeed, waitingOf } from "../feeds/update.ts";
import { readInput } from "../input.ts";
import { openSite, type Site } from "../recorded.ts";
import { changeLines, count, daysOf, entries, losses, shownChange } from "../replaying.ts";
import { withRules } from "../rulesdirectory.ts";
import { formatTime, harmless, table } from "../text.ts";

/** Bytes of a file with a public key. */
const LONGEST_KEY = 16 * 1024;

export const add: Run = async (call) => {
  const [name = "", given = ""] = call.args;
  checkName(name);
  const days = daysOf(call);
  const key = await keyOf(call);
  const source = sourceOf(given, key !== "");
  const site = openSite(call.directory);
  return withRules(call.directory, async () => {
    if (feedNames().includes(name))
      throw new Refusal(`There is a feed "${name}" already; remove it first: kenro spamdb remove ${name}`);
    if (feedNames().length >= limits.feeds.feeds)
      throw new Refusal(`There are ${limits.feeds.feeds} feeds already; remove one first`);
    await writeState(name, { source, key, except: [] });
    const said = await updateFeed(name, site, days);
    // nothing is kept of what could never be used
    if (said.kind === "refused") await removeFeed(name);
    return report(call, [[name, said]]);
  });
};

async function keyOf({ options }: Call): Promise<string> {
  if (options["key"] === undefined) return "";
  const file = String(options["key"]);
  const text = (await readInput(file, LONGEST_KEY)).toString();
  const key = parseKey(text);
  if (!key.ok) throw usage(`Cannot use the key "${file}": ${key.error}`);
  return text.trim();
}

export const update: Run = async (call) => {
  const days = daysOf(call);
  const site = openSite(call.directory);
  return withRules(call.directory, async () => {
    const names = call.args[0] === undefined ? feedNames() : [checkName(call.args[0])];
    const said: [string, Updated][] = [];
    for (const name of names) said.push([name, await updateFeed(name, site, days)]);
    return report(call, said);
  });
};

function report({ json }: Call, all: readonly (readonly [string, Updated])[]): ExitCode {
  const good = all.every(([, { kind }]) => kind === "active" || kind === "unchanged");
  if (json) printJson(all.map(([name, said]) => ({ name, ...said })));
  else if (all.length === 0) print("No feeds; add one: kenro spamdb add NAME SOURCE");
  else for (const [name, said] of all) tell(name, said);
  return good ? 0 : 1;
}

function tell(name: string, said: Updated): void {
  switch (said.kind) {
    case "active":
      return print(
        `${name}: ${entries(said.entries)} count now (tried on ${count(said.sessions, "recorded session")})`,
      );
    case "unchanged":
      return print(`${name}: unchanged, ${entries(said.entries)}`);
    case "refused":
      complain(`${name}: not used`);
      for (const why of said.why.slice(0, 20)) complain(`  ${harmless(why)}`);
      if (said.why.length > 20) complain(`  … and ${said.why.length - 20} more`);
      return;
    case "held":
      complain(`${name}: waits for you`);
      for (const line of [...said.why, ...said.report]) complain(`  ${line}`);
      complain(
        `  kenro spamdb except ${name} ENTRY leaves one out; accept ${name} takes it as it is; drop ${name} throws it away`,
      );
  }
}

export const list: Run = async ({ directory, json }) => {
  enter(directory);
  const feeds = feedNames().map((name) => ({ name, state: readState(name), active: activeOf(name) }));
  if (json) {
    printJson(
      feeds.map(({ name, state, active }) => ({
        name,
        source: state.source,
        signed: state.key !== "",
        except: state.except,
        active: active
          ? { entries: active.about.entries, since: new Date(active.about.at).toISOString() }
          : null,
        waiting: state.candidate ? state.candidate.why : null,
      })),
    );
    return 0;
  }
  if (feeds.length === 0) print("No feeds");
  else {
    const rows = feeds.map(({ name, state, active }) => [
      name,
      active ? String(active.about.entries) : "none",
      active ? formatTime(active.about.at) : "",
      state.key === "" ? "no" : "yes",
      state.candidate ? `yes: ${state.candidate.why.join("; ")}` : "",
      state.source,
    ]);
    for (const line of table(["NAME", "ENTRIES", "SINCE", "SIGNED", "WAITS", "SOURCE"], rows)) print(line);
  }
  return 0;
};

export const check: Run = async (call) => {
  const days = daysOf(call);
  const site = openSite(call.directory);
  const names = call.args[0] === undefined ? feedNames() : [checkName(call.args[0])];
  let good = true;
  const shown: unknown[] = [];
  for (const name of names) {
    const state = readState(name);
    const version = versionOf(name, state.candidate?.version) ?? activeOf(name);
    if (!version) throw new Refusal(`Feed "${name}" has no version; see: kenro spamdb update ${name}`);
    const waits = version.version === state.candidate?.version;
    const result = await tryOut(name, version, site, { days, waits });
    const why = [
      ...broadEntries(readVersion(version), site.ours, new Set(state.except)),
      ...reasons(version, waits ? activeOf(name) : undefined, result),
    ];
    good &&= why.length === 0;
    shown.push({ name, waits, sessions: result.sessions, why, changes: result.changes.map(shownChange) });
    if (call.json) continue;
    const which = waits ? "the version that waits" : "the version that counts";
    print(
      `${name}, ${which}: ${entries(version.about.entries)}, ${count(result.changes.length, "recipient")} of ${count(result.sessions, "recorded session")} would be told something else`,
    );
    for (const line of [...why, ...changeLines(result.changes)]) print(`  ${harmless(line)}`);
  }
  if (call.json) printJson(shown);
  return good ? 0 : 1;
};

export const accept: Run = ({ directory, args: [name = ""] }) =>
  withRules<ExitCode>(directory, async () => {
    const state = readState(name);
    const waiting = waitingOf(name, state);
    await activate(name, waiting, state);
    print(`${name}: ${entries(waiting.about.entries)} count now`);
    return 0;
  });

export const drop: Run = ({ directory, args: [name = ""] }) =>
  withRules<ExitCode>(directory, async () => {
    const state = readState(name);
    waitingOf(name, state);
    const { candidate: _, ...rest } = state;
    await writeState(name, rest);
    removeVersions(name, [activeOf(name)?.version]);
    print(
      `${name}: thrown away; ${activeOf(name) ? "what counted goes on counting" : "nothing of it counts"}`,
    );
    return 0;
  });

export const except: Run = async (call) => {
  const [name = "", text = ""] = call.args;
  const entry = entryName(Buffer.from(text));
  if (!entry.ok) throw usage(`"${text}" cannot be an entry: ${entry.error}`);
  const site = openSite(call.directory);
  return withRules(call.directory, async () => {
    const state = readState(name);
    const except_ = [...new Set([...state.except, entry.value])].sort();
    await writeState(name, { ...state, except: except_ });
    const versions = [activeOf(name), versionOf(name, state.candidate?.version)].filter(
      (each) => each !== undefined,
    );
    let taken = 0;
    for (const version of versions) taken += await takeOut(version, entry.value);
    print(`${name}: "${entry.value}" is left out${taken === 0 ? "; no version has it now" : ""}`);
    return state.candidate ? again(name, site, daysOf(call)) : 0;
  });
};

/** Whether what waits still has to. */
async function again(name: string, site: Site, days: number): Promise<ExitCode> {
  const state = readState(name);
  const waiting = waitingOf(name, state);
  const result = await tryOut(name, waiting, site, { days, waits: true });
  const why = reasons(waiting, activeOf(name), result);
  if (why.length === 0) {
    await activate(name, waiting, state);
    print(`${name}: ${entries(waiting.about.entries)} count now`);
    return 0;
  }
  await writeState(name, { ...state, candidate: { version: waiting.version, why } });
  tell(name, { kind: "held", why, report: changeLines(losses(result)) });
  return 1;
}

export const remove: Run = ({ directory, args: [name = ""] }) =>
  withRules<ExitCode>(directory, async () => {
    await removeFeed(name);
    print(`Removed feed "${name}"`);
    return 0;
  });
