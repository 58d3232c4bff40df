// ~alias/.qmail files, users/assign and virtualdomains in words of the directory: aliases and catch-alls. What delivers to programs and files
// needs a user of the machine, and is named.

import { addressFromQmail } from "#wire/qmail/address.ts";
import type { Finding, Hosts, Target } from "./findings.ts";
import type { Settings } from "./settings.ts";
import type { QmailSite } from "./source.ts";

/** What a .qmail file does, as far as the directory can do it. */
type Meaning = { readonly to: readonly string[] } | { readonly line: number; readonly problem: string };

const instructions: readonly (readonly [pattern: RegExp, what: string])[] = [
  [/^\|/, "runs a program"],
  [/^\+/, "is a list of qmail's own kind"],
  [/^[./].*\/$/, "delivers to a Maildir"],
  [/^[./]/, "delivers to a file"],
];

/** Reads a file of forwards only. */
function meaningOf(text: string, bare: string): Meaning {
  const to: string[] = [];
  for (const [at, each] of text.split("\n").entries()) {
    const line = each.trimEnd();
    if (line === "" || line.startsWith("#")) continue;
    const other = instructions.find(([pattern]) => pattern.test(line));
    if (other) return { line: at + 1, problem: `${other[1]}: ${line}` };
    const given = line.replace(/^&/, "").trim();
    const target = addressFromQmail(given.includes("@") ? given : `${given}@${bare}`, bare);
    if (target === undefined) return { line: at + 1, problem: `"${given}" is no address` };
    to.push(target);
  }
  return to.length > 0
    ? { to }
    : { line: 1, problem: "is empty: mail goes to the mailbox of the user alias" };
}

/** `.qmail-a:b` is for a.b. */
const localOf = (name: string): string => name.replaceAll(":", ".");

export function aliasFindings(
  site: QmailSite,
  hosts: Hosts,
  { target, settings }: { readonly target: Target; readonly settings: Settings },
): readonly Finding[] {
  const aliases = new Aliases(site, hosts, { target, settings });
  return [...aliases.virtual(), ...aliases.local()];
}

class Aliases {
  readonly #site: QmailSite;
  readonly #hosts: Hosts;
  readonly #target: Target;
  readonly #settings: Settings;
  /** Files that belong to virtual domains. */
  readonly #used = new Set<string>();

  constructor(
    site: QmailSite,
    hosts: Hosts,
    { target, settings }: { readonly target: Target; readonly settings: Settings },
  ) {
    this.#site = site;
    this.#hosts = hosts;
    this.#target = target;
    this.#settings = settings;
  }

  /** virtualdomains: what ~alias has for them. */
  virtual(): readonly Finding[] {
    return this.#hosts.virtual.flatMap(({ line, key, value }): readonly Finding[] => {
      const place = { source: "control/virtualdomains", line };
      if (value === "")
        return [{ ...place, outcome: "note", text: `${key} is no virtual domain, and none of ours` }];
      const files = [...this.#site.aliases.keys()].filter((name) =>
        name.startsWith(`${value.toLowerCase().replaceAll(".", ":")}-`),
      );
      if (key.includes("@")) return this.#virtualUser(place, key, value);
      if (key === "" || key.startsWith("."))
        return [
          {
            ...place,
            outcome: "not",
            text: `a pattern of domains ("${key}") cannot be a domain of ours: name them one by one`,
          },
        ];
      const user = this.#settings.add(place, "system_users.domains", `${key}:${value}`.toLowerCase());
      if (files.length === 0) return [user];
      const known = this.#target.domains.has(key);
      const own: Finding = known
        ? { ...place, outcome: "same", text: `${key} is a domain of ours` }
        : {
            ...place,
            outcome: "change",
            text: `${key} becomes a domain of ours`,
            change: { kind: "domain", name: key },
          };
      const prefix = value.length + 1;
      return [user, own, ...files.flatMap((name) => this.#file(name, localOf(name.slice(prefix)), [key]))];
    });
  }

  #virtualUser(place: Pick<Finding, "source" | "line">, key: string, prepend: string): readonly Finding[] {
    const at = key.lastIndexOf("@");
    const domain = key.slice(at + 1);
    if (!this.#isOurs(domain))
      return [
        {
          ...place,
          outcome: "not",
          text: `${key} is to be ours, and all else of ${domain} is not: that cannot be`,
        },
      ];
    const name = `${prepend}-${key.slice(0, at)}`.toLowerCase().replaceAll(".", ":");
    if (!this.#site.aliases.has(name))
      return [
        {
          ...place,
          outcome: "not",
          text: `mail for ${key} goes to the user "${prepend}": make an alias for it`,
        },
      ];
    return this.#file(name, key.slice(0, at), [domain]);
  }

  /** Now or by what is to be done. */
  #isOurs(domain: string): boolean {
    const { locals, virtual } = this.#hosts;
    const local = locals.some(({ text }) => text.toLowerCase() === domain);
    return (
      local ||
      virtual.some(({ key, value }) => key === domain && value !== "") ||
      this.#target.domains.has(domain)
    );
  }

  /** All others are for every domain of ours. */
  local(): readonly Finding[] {
    const domains = [...new Set(this.#hosts.locals.map(({ text }) => text.toLowerCase()))];
    return [...this.#site.aliases.keys()]
      .filter((name) => !this.#used.has(name))
      .flatMap((name) => this.#file(name, localOf(name), domains));
  }

  #file(name: string, local: string, domains: readonly string[]): readonly Finding[] {
    this.#used.add(name);
    const source = `alias/.qmail-${name}`;
    const meaning = meaningOf(this.#site.aliases.get(name) ?? "", this.#hosts.bare);
    if ("problem" in meaning) return [{ source, line: meaning.line, outcome: "not", text: meaning.problem }];
    return domains.map((domain) =>
      local === "default" || local.endsWith("-default")
        ? this.#catchAll(source, local, domain, meaning.to)
        : this.#alias(source, `${local}@${domain}`, meaning.to),
    );
  }

  #catchAll(source: string, local: string, domain: string, to: readonly string[]): Finding {
    const [only, ...more] = to;
    if (local !== "default")
      return {
        source,
        outcome: "not",
        text: `${local.slice(0, -"default".length)}* cannot be an alias: make one for each address`,
      };
    if (only === undefined || more.length > 0)
      return {
        source,
        outcome: "not",
        text: `the catch-all of ${domain} would be ${to.join(", ")}: make an alias of these, and that the catch-all`,
      };
    const before = this.#target.catchAlls.get(domain);
    if (before === only) return { source, outcome: "same", text: `the catch-all of ${domain} is ${only}` };
    if (before !== undefined)
      return {
        source,
        outcome: "left",
        text: `the catch-all of ${domain} is ${before} here; qmail has ${only}`,
      };
    const change = { kind: "catchAll", domain, to: only } as const;
    return { source, outcome: "change", text: `the catch-all of ${domain} is ${only}`, change };
  }

  #alias(source: string, address: string, to: readonly string[]): Finding {
    const { aliases, taken } = this.#target;
    const wanted = [...new Set(to)].sort();
    const before = aliases.get(address);
    const goes = `${address} goes to ${wanted.join(", ")}`;
    if (taken.has(address))
      return { source, outcome: "left", text: `${address} is an account or a group here; in qmail ${goes}` };
    if (before && [...before].sort().join() === wanted.join()) return { source, outcome: "same", text: goes };
    if (before)
      return {
        source,
        outcome: "left",
        text: `${address} goes to ${before.join(", ")} here; in qmail ${goes}`,
      };
    return { source, outcome: "change", text: goes, change: { kind: "alias", address, to: wanted } };
  }
}
