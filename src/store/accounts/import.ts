// Import: makes the directory what a file says: all of it or nothing, with every problem named by its line (docs/directory.md).

import { parseAccount } from "./address.ts";
import { contentsOf, type Entry, formatEntry, keyOf, parseEntry } from "./contents.ts";
import type { Directory } from "./directory.ts";

export interface ImportOptions {
  /** What the file does not have goes. */
  readonly replace: boolean;
  /** Nothing is changed. */
  readonly dryRun: boolean;
  readonly now: number;
}

export interface Difference {
  readonly added: readonly string[];
  readonly changed: readonly { readonly before: string; readonly after: string }[];
  readonly removed: readonly string[];
  /** A sentence each; with any of them nothing is changed. */
  readonly problems: readonly string[];
}

interface Placed {
  readonly entry: Entry;
  readonly line: number;
}

/** What the file changes, and what is wrong with it. */
export function importContents(directory: Directory, file: string, options: ImportOptions): Difference {
  const problems: string[] = [];
  const wanted = read(file, problems);
  const before = new Map(contentsOf(directory).map((entry) => [keyOf(entry), entry]));
  const difference = directory.together(
    () => {
      const removed = options.replace
        ? [...before].filter(([key]) => !wanted.has(key)).map(([, entry]) => entry)
        : [];
      const changed = [...wanted].filter(([key, { entry }]) => {
        const old = before.get(key);
        return old === undefined || formatEntry(withPassword(entry, old)) !== formatEntry(old);
      });
      new Writer(directory, options.now, problems).write(
        removed,
        changed.map(([, placed]) => placed),
      );
      const after = new Map(contentsOf(directory).map((entry) => [keyOf(entry), formatEntry(entry)]));
      return { ...compare(before, after), problems };
    },
    () => problems.length === 0 && !options.dryRun,
  );
  return difference;
}

function read(file: string, problems: string[]): Map<string, Placed> {
  const wanted = new Map<string, Placed>();
  for (const [at, text] of file.split("\n").entries()) {
    const line = text.trim();
    if (line === "" || line.startsWith("#")) continue;
    const entry = parseEntry(line);
    const where = `Line ${at + 1}`;
    if (!entry.ok) {
      problems.push(`${where}: ${entry.error}`);
      continue;
    }
    const key = keyOf(entry.value);
    const other = wanted.get(key);
    if (other) problems.push(`${where}: ${key} stands in line ${other.line} already`);
    else wanted.set(key, { entry: entry.value, line: at + 1 });
  }
  return wanted;
}

/** A line without a password leaves the one that there is. */
function withPassword(entry: Entry, old: Entry): Entry {
  if (entry.kind !== "account" || old.kind !== "account" || entry.value.password !== undefined) return entry;
  const { account, ...rest } = entry.value;
  return { kind: "account", value: { account, password: old.value.password, ...rest } };
}

function compare(
  before: ReadonlyMap<string, Entry>,
  after: ReadonlyMap<string, string>,
): Omit<Difference, "problems"> {
  const added: string[] = [];
  const changed: { before: string; after: string }[] = [];
  const removed: string[] = [];
  for (const [key, line] of after) {
    const old = before.get(key);
    if (!old) added.push(line);
    else if (formatEntry(old) !== line) changed.push({ before: formatEntry(old), after: line });
  }
  for (const [key, entry] of before) if (!after.has(key)) removed.push(formatEntry(entry));
  return { added, changed, removed };
}

class Writer {
  readonly #directory: Directory;
  readonly #now: number;
  readonly #problems: string[];

  constructor(directory: Directory, now: number, problems: string[]) {
    this.#directory = directory;
    this.#now = now;
    this.#problems = problems;
  }

  /** First what frees names, then what is named, then what names it. */
  write(removed: readonly Entry[], changed: readonly Placed[]): void {
    const of = (...kinds: readonly Entry["kind"][]) =>
      changed.filter(({ entry }) => kinds.includes(entry.kind));
    for (const entry of removed) this.#forgetDomain(entry);
    for (const entry of removed) if (entry.kind !== "domain") this.#remove(entry);
    for (const placed of of("domain")) this.#at(placed, () => this.#domain(placed.entry));
    for (const placed of of("account")) this.#at(placed, () => this.#account(placed.entry));
    for (const placed of of("alias", "group")) this.#at(placed, () => this.#list(placed.entry));
    for (const placed of of("account")) this.#at(placed, () => this.#accountSettings(placed.entry));
    for (const placed of of("domain")) this.#at(placed, () => this.#domainSettings(placed.entry));
    for (const entry of removed) if (entry.kind === "domain") this.#remove(entry);
  }

  #at({ line }: Placed, work: () => string | undefined): void {
    const problem = work();
    if (problem !== undefined) this.#problems.push(`Line ${line}: ${problem}`);
  }

  #forgetDomain(entry: Entry): void {
    if (entry.kind === "domain")
      this.#directory.setDomain(entry.value.domain, { aliasOf: undefined, catchAll: undefined });
  }

  #remove(entry: Entry): void {
    switch (entry.kind) {
      case "domain":
        if (this.#directory.deleteDomain(entry.value.domain) === "used")
          this.#problems.push(`${entry.value.domain} cannot go: something belongs to it`);
        return;
      case "account":
        return void this.#directory.deleteAccount(entry.value.account);
      case "alias":
        return void this.#directory.lists.delete(entry.value.alias);
      case "group":
        return void this.#directory.lists.delete(entry.value.group);
    }
  }

  #domain(entry: Entry): undefined {
    if (entry.kind === "domain") this.#directory.addDomain(entry.value.domain, this.#now);
  }

  #domainSettings(entry: Entry): string | undefined {
    if (entry.kind !== "domain") return undefined;
    const { domain, aliasOf, catchAll, quota, messages, maxAccounts, totalQuota, totalMessages } =
      entry.value;
    const limits = { quota, messages, maxAccounts, totalQuota, totalMessages };
    return this.#directory.setDomain(domain, { aliasOf, catchAll, ...limits });
  }

  #account(entry: Entry): string | undefined {
    if (entry.kind !== "account") return undefined;
    const { account, password } = entry.value;
    if (this.#directory.settingsOf(account)) {
      if (password !== undefined) this.#directory.setPassword(account, password);
      return undefined;
    }
    const parsed = parseAccount(account);
    if (!parsed.ok) return parsed.error;
    if (password === undefined) return `${account} is new and has no password`;
    const done = this.#directory.addAccount(parsed.value, password, this.#now);
    switch (done) {
      case "added":
        return undefined;
      case "exists":
        return `There is an ${account} already, of another kind`;
      case "elsewhere":
        return `"${parsed.value.domain}" is not one of our domains, or another name for one`;
      case "full":
        return `"${parsed.value.domain}" has as many accounts as it may`;
    }
  }

  #accountSettings(entry: Entry): string | undefined {
    // one that could not be made has been told of
    if (entry.kind !== "account" || !this.#directory.settingsOf(entry.value.account)) return undefined;
    const { account, suspended = false, quota, messages, forwards = [], keep = true } = entry.value;
    const { extensions = [], instructions = [] } = entry.value;
    for (const { ext } of this.#directory.extensions(account)) this.#directory.deleteExtension(account, ext);
    for (const { name } of this.#directory.instructions(account))
      this.#directory.deleteInstructions(account, name);
    for (const { ext, mailbox = false, password } of extensions) {
      const problem = this.#directory.setExtension(account, { ext, mailbox, password });
      if (problem !== undefined) return problem;
    }
    for (const { name, text } of instructions) {
      const problem = this.#directory.setInstructions(account, name, text);
      if (problem !== undefined) return problem;
    }
    return this.#directory.setAccount(account, { suspended, quota, messages, forwards, keep });
  }

  #list(entry: Entry): string | undefined {
    if (entry.kind !== "alias" && entry.kind !== "group") return undefined;
    const { lists } = this.#directory;
    const isGroup = entry.kind === "group";
    const name = isGroup ? entry.value.group : entry.value.alias;
    const to = isGroup ? entry.value.members : entry.value.to;
    const owner = isGroup ? entry.value.owner : undefined;
    const verp = isGroup && entry.value.verp === true;
    const before = lists.find(name);
    if (before) {
      const gone = before.to.filter((each) => !to.includes(each));
      return lists.set(name, { owner, verp }) ?? lists.retarget(name, to, gone);
    }
    const parsed = parseAccount(name);
    return parsed.ok ? lists.add(parsed.value, { to, owner, verp }, this.#now) : parsed.error;
  }
}
