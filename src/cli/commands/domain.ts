// kenro domain add, del, list: the domains we receive mail for.

import { parseDomain } from "#store/accounts/address.ts";
import { openAccounts } from "../account.ts";
import { type Call, print, printJson, type Run } from "../call.ts";
import { Refusal, usage } from "../exit.ts";

function domainOf({ args }: Call): string {
  const parsed = parseDomain(args[0] ?? "");
  if (!parsed.ok) throw usage(`Cannot use this domain: ${parsed.error}`);
  return parsed.value;
}

export const add: Run = async (call) => {
  const domain = domainOf(call);
  using accounts = openAccounts(call.directory);
  if (!accounts.addDomain(domain, Date.now())) throw new Refusal(`"${domain}" is one of our domains already`);
  if (call.json) printJson({ name: domain });
  else print(`Added ${domain}; make an account with: kenro user add NAME@${domain}`);
  return 0;
};

export const del: Run = async (call) => {
  const domain = domainOf(call);
  using accounts = openAccounts(call.directory);
  switch (accounts.deleteDomain(domain)) {
    case "used":
      throw new Refusal(`"${domain}" has accounts; delete them first, see: kenro user list ${domain}`);
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
  else
    for (const { name, accounts: count } of domains)
      print(`${name}  ${count} account${count === 1 ? "" : "s"}`);
  return 0;
};
