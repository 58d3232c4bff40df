// smtproutes as blocks [[route]]: the first that fits counts here, so whole hosts come before suffixes, and long suffixes before short ones.

import { parsePairs } from "#wire/qmail/control.ts";
import type { Finding, Target } from "./findings.ts";
import type { Settings } from "./settings.ts";
import type { QmailSite } from "./source.ts";

const SOURCE = "control/smtproutes";

const rank = (key: string): number => (key.startsWith(".") ? 1000 - key.length : 0);

export function routeFindings(
  { control }: QmailSite,
  settings: Settings,
  { config }: Target,
): readonly Finding[] {
  const pairs = parsePairs(control.get("smtproutes") ?? "").toSorted((a, b) => rank(a.key) - rank(b.key));
  return pairs.map(({ line, key, value }): Finding => {
    const place = { source: SOURCE, line };
    const host = value.trim();
    if (key === "" && host !== "") return settings.set(place, "remote.smarthost", host);
    if (key === "") return { ...place, outcome: "same", text: "all else goes to its exchangers in DNS" };
    const before = config.route.find(
      ({ recipients, senders }) => recipients.includes(key) && senders.length === 0,
    );
    const where = host === "" ? "its exchangers in DNS" : host;
    if (before?.host === host) return { ...place, outcome: "same", text: `mail for ${key} goes to ${where}` };
    if (before)
      return {
        ...place,
        outcome: "left",
        text: `a [[route]] has mail for ${key} already; qmail sends it to ${where}`,
      };
    if (!/^\.?[^\s@.*]+(?:\.[^\s@.*]+)*$/.test(key) || /\s/.test(host))
      return { ...place, outcome: "not", text: `"${key}:${value}" is no route` };
    const change = { kind: "route", recipients: [key], host } as const;
    return { ...place, outcome: "change", text: `mail for ${key} goes to ${where}`, change };
  });
}
