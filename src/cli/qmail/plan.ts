// What becomes of a qmail installation here: a finding for everything that was read, with the change that it asks for, if there is one. Pure:
// who reads and who changes is elsewhere.

import { parseList, parsePairs, parseValue } from "#wire/qmail/control.ts";
import { aliasFindings } from "./aliases.ts";
import { type Finding, finding, type Hosts, type Target } from "./findings.ts";
import { routeFindings } from "./routes.ts";
import { Settings, scalarFindings } from "./settings.ts";
import type { QmailSite } from "./source.ts";

export function hostsOf({ control }: QmailSite): Hosts {
  const value = (name: string) => parseValue(control.get(name) ?? "");
  const me = value("me");
  const locals = control.get("locals");
  return {
    me,
    locals: locals === undefined ? (me === "" ? [] : [{ line: 1, text: me }]) : parseList(locals),
    virtual: parsePairs(control.get("virtualdomains") ?? ""),
    bare: value("envnoathost") || me,
  };
}

/** Everything that was found. */
export function planOf(site: QmailSite, target: Target): readonly Finding[] {
  const hosts = hostsOf(site);
  const settings = new Settings(target.config);
  return [
    ...site.unread.map(({ source, reason }) => finding(source, "not", `cannot be read: ${reason}`)),
    ...nameFindings(hosts, target),
    ...localFindings(hosts, target),
    ...userFindings(site, hosts, settings),
    ...hostFindings(site, hosts, settings),
    ...scalarFindings(site, settings),
    ...routeFindings(site, settings, target),
    ...denyFindings(site, target),
    ...ruleFindings(site, target),
    ...aliasFindings(site, hosts, { target, settings }),
  ];
}

function nameFindings({ me }: Hosts, { config }: Target): readonly Finding[] {
  if (me === "") return [finding("control/me", "not", "it has no name: this is no qmail that works")];
  const { hostname } = config;
  return [
    me.toLowerCase() === hostname
      ? finding("control/me", "same", `hostname is ${hostname}`)
      : finding(
          "control/me",
          "left",
          `qmail's name is ${me}, this server's hostname is ${hostname}: change that in kenro.toml if this machine takes its place`,
        ),
  ];
}

const DOMAIN = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;

function localFindings({ locals }: Hosts, { domains }: Target): readonly Finding[] {
  const seen = new Set<string>();
  return locals.flatMap(({ line, text }): readonly Finding[] => {
    const name = text.toLowerCase();
    const at = { source: "control/locals", line };
    if (seen.has(name)) return [];
    seen.add(name);
    if (domains.has(name)) return [{ ...at, outcome: "same", text: `${name} is a domain of ours` }];
    if (!DOMAIN.test(name)) return [{ ...at, outcome: "not", text: `"${text}" is no domain` }];
    return [
      {
        ...at,
        outcome: "change",
        text: `${name} becomes a domain of ours`,
        change: { kind: "domain", name },
      },
    ];
  });
}

/** Users of the machine: everything is made ready for them, and whether they get mail is left to who owns this machine. */
function userFindings(
  { assign, directory }: QmailSite,
  { locals }: Hosts,
  settings: Settings,
): readonly Finding[] {
  const domains = [...new Set(locals.map(({ text }) => text.toLowerCase()))];
  return [
    ...domains.map((domain) => settings.add({ source: "control/locals" }, "system_users.domains", domain)),
    ...(assign === undefined
      ? []
      : [settings.set({ source: "users/assign" }, "system_users.assign", `${directory}/users/assign`)]),
    finding(
      "users",
      "note",
      'users of the machine get mail, and ~alias is heeded as it is, when system_users.enabled is "on" and the server is started as root (docs/dotqmail.md)',
    ),
  ];
}

/** rcpthosts, morercpthosts, percenthack. */
function hostFindings(site: QmailSite, { locals, virtual }: Hosts, settings: Settings): readonly Finding[] {
  const ours = new Set([...locals.map(({ text }) => text.toLowerCase()), ...virtual.map(({ key }) => key)]);
  const list = (name: string) => parseList(site.control.get(name) ?? "");
  const open = site.control.has("rcpthosts")
    ? []
    : [
        finding(
          "control/rcpthosts",
          "note",
          "there is none, so qmail relays for everybody; this server does not",
        ),
      ];
  const sources = [
    ...list("rcpthosts").map((entry) => ({ source: "control/rcpthosts", ...entry })),
    ...list("morercpthosts").map((entry) => ({ source: "control/morercpthosts", ...entry })),
    ...site.moreHosts.map((text) => ({ source: "control/morercpthosts.cdb", line: undefined, text })),
  ];
  const relayed = sources.filter(({ text }) => !ours.has(text.toLowerCase()));
  return [
    ...open,
    ...relayed.map(({ source, line, text }) =>
      settings.add(
        { source, ...(line === undefined ? {} : { line }) },
        "qmail.rcpthosts",
        text.toLowerCase(),
      ),
    ),
    ...list("percenthack").map(({ line, text }) =>
      settings.add({ source: "control/percenthack", line }, "qmail.percenthack", text.toLowerCase()),
    ),
  ];
}

function denyFindings(site: QmailSite, { denied }: Target): readonly Finding[] {
  const source = "control/badmailfrom";
  return parseList(site.control.get("badmailfrom") ?? "").map(({ line, text }): Finding => {
    const what = `from:${text.toLowerCase()}`;
    if (denied.has(what)) return { source, line, outcome: "same", text: `${text} is denied` };
    if (!/^[^\s#]*@[a-z0-9_.:[\]-]+$/i.test(text))
      return { source, line, outcome: "not", text: `"${text}" is no sender and no @domain` };
    return {
      source,
      line,
      outcome: "change",
      text: `senders ${text} are denied`,
      change: { kind: "deny", what },
    };
  });
}

function ruleFindings({ rules }: QmailSite, target: Target): readonly Finding[] {
  if (!rules)
    return [finding("tcp.smtp", "note", "no rules of tcpserver were found; name their file with --tcprules")];
  const { file, text } = rules;
  if (target.rules === text) return [finding(file, "same", "rules/smtp.rules has these rules")];
  if (target.rules !== undefined)
    return [finding(file, "left", "rules/smtp.rules has other rules already; compare them yourself")];
  return [
    {
      ...finding(
        file,
        "change",
        "becomes rules/smtp.rules; see what it says with: kenro rules check rules/smtp.rules --ip ADDRESS",
      ),
      change: { kind: "rules", text },
    },
  ];
}
