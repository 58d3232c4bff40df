// kenro domain add, set, del, list: the domains we receive mail for.

import type { Directory, DomainSettings } from "#store/accounts/directory.ts";
import { openAccounts } from "../account.ts";
import { countOf, domainName, sizeOf, targetAddress, unless, worded } from "../addresses.ts";
import { type Call, print, printJson, type Run } from "../call.ts";
import { Refusal } from "../exit.ts";
import { formatSize } from "../text.ts";

const none = { none: null };

/** What the options change; what is not named stays. */
function changesOf({ options }: Call): Partial<DomainSettings> {
  const given = {
    aliasOf: worded<string | null>(options["aliasOf"], none, domainName),
    catchAll: worded<string | null>(options["catchAll"], none, targetAddress),
    quota: worded<number | null>(options["quota"], none, sizeOf),
    messages: worded<number | null>(options["messages"], none, countOf),
    maxAccounts: worded<number | null>(options["maxAccounts"], none, countOf),
    totalQuota: worded<number | null>(options["totalQuota"], none, sizeOf),
    totalMessages: worded<number | null>(options["totalMessages"], none, countOf),
  };
  const named = Object.entries(given).filter(([, value]) => value !== undefined);
  return Object.fromEntries(named.map(([name, value]) => [name, value ?? undefined]));
}

function shown(accounts: Directory, name: string) {
  const found = accounts.domains().find((each) => each.name === name);
  if (!found) throw new Refusal(`"${name}" is not one of our domains; see: kenro domain list`);
  return found;
}

export const add: Run = async (call) => {
  const domain = domainName(call.args[0]);
  const changes = changesOf(call);
  using accounts = openAccounts(call.directory);
  const problem = accounts.together(
    () => {
      if (!accounts.addDomain(domain, Date.now())) return `"${domain}" is one of our domains already`;
      return Object.keys(changes).length === 0 ? undefined : accounts.setDomain(domain, changes);
    },
    (wrong) => wrong === undefined,
  );
  unless(problem);
  if (call.json) printJson({ name: domain });
  else print(`Added ${domain}; make an account with: kenro user add NAME@${domain}`);
  return 0;
};

export const set: Run = async (call) => {
  const domain = domainName(call.args[0]);
  const changes = changesOf(call);
  using accounts = openAccounts(call.directory);
  unless(accounts.setDomain(domain, changes));
  const now = shown(accounts, domain);
  if (call.json) printJson(now);
  else print(lineOf(now));
  return 0;
};

export const del: Run = async (call) => {
  const domain = domainName(call.args[0]);
  using accounts = openAccounts(call.directory);
  switch (accounts.deleteDomain(domain)) {
    case "used":
      throw new Refusal(
        accounts.accounts(domain).length > 0
          ? `"${domain}" has accounts; delete them first, see: kenro user list ${domain}`
          : `"${domain}" has aliases, groups or other names; delete them first, see: kenro alias list ${domain}`,
      );
    case "unknown":
      throw new Refusal(`"${domain}" is not one of our domains; see: kenro domain list`);
    case "deleted":
      if (call.json) printJson({ name: domain });
      else print(`Deleted ${domain}`);
      return 0;
  }
};

export const list: Run = async ({ directory, json }) => {
  using accounts = openAccounts(directory);
  const domains = accounts.domains();
  if (json) printJson(domains);
  else for (const each of domains) print(lineOf(each));
  return 0;
};

function lineOf(domain: ReturnType<typeof shown>): string {
  const { name, accounts, aliasOf, catchAll, quota, messages, maxAccounts, totalQuota, totalMessages } =
    domain;
  if (aliasOf !== undefined) return `${name}  is ${aliasOf}`;
  const said = <T>(value: T | undefined, word: (value: T) => string) =>
    value === undefined ? [] : [word(value)];
  return [
    `${name}  ${accounts} account${accounts === 1 ? "" : "s"}${maxAccounts === undefined ? "" : ` of ${maxAccounts}`}`,
    ...said(catchAll, (address) => `all else goes to ${address}`),
    ...said(quota, (bytes) => `${formatSize(bytes)} each`),
    ...said(messages, (count) => `${count} messages each`),
    ...said(totalQuota, (bytes) => `${formatSize(bytes)} together`),
    ...said(totalMessages, (count) => `${count} messages together`),
  ].join(", ");
}
