// kenro group add, set, del, list and member add, del, list: addresses that stand for their members, with an owner who gets the bounces.

import type { Directory } from "#store/accounts/directory.ts";
import { openAccounts } from "../account.ts";
import { accountAddress, onlyDomain, rest, targetAddress, unless, yesOrNo } from "../addresses.ts";
import { type Call, print, printJson, type Run } from "../call.ts";
import { Refusal } from "../exit.ts";

const isVerp = ({ options }: Call) => yesOrNo(options["verp"], "--verp");

const ownerIn = ({ options }: Call): string | undefined =>
  options["owner"] === undefined ? undefined : targetAddress(String(options["owner"]));

function groupOf(accounts: Directory, address: string) {
  const found = accounts.lists.find(address);
  if (found?.owner === undefined) throw new Refusal(`There is no group ${address}; see: kenro group list`);
  return { ...found, owner: found.owner };
}

function show(accounts: Directory, address: string, json: boolean): 0 {
  const { owner, verp, to } = groupOf(accounts, address);
  if (json) printJson({ address, owner, verp, members: to });
  else
    print(
      `${address}  owner ${owner}${verp ? ", VERP" : ""}, ${to.length} member${to.length === 1 ? "" : "s"}`,
    );
  return 0;
}

export const add: Run = async (call) => {
  const address = accountAddress(call.args[0]);
  const to = rest(call.args).map(targetAddress);
  const owner = ownerIn(call) ?? `postmaster@${address.domain}`;
  const verp = isVerp(call) ?? false;
  using accounts = openAccounts(call.directory);
  unless(accounts.lists.add(address, { to, owner, verp }, Date.now()));
  return show(accounts, address.address, call.json);
};

export const set: Run = async (call) => {
  const { address } = accountAddress(call.args[0]);
  const owner = ownerIn(call);
  const verp = isVerp(call);
  using accounts = openAccounts(call.directory);
  groupOf(accounts, address);
  const change = { ...(owner === undefined ? {} : { owner }), ...(verp === undefined ? {} : { verp }) };
  unless(accounts.lists.set(address, change));
  return show(accounts, address, call.json);
};

export const del: Run = async ({ directory, args, json }) => {
  const { address } = accountAddress(args[0]);
  using accounts = openAccounts(directory);
  groupOf(accounts, address);
  accounts.lists.delete(address);
  if (json) printJson({ address });
  else print(`Deleted ${address}`);
  return 0;
};

export const list: Run = async ({ directory, args, json }) => {
  const domain = onlyDomain(args[0]);
  using accounts = openAccounts(directory);
  const found = accounts.lists.all(domain).filter(({ owner }) => owner !== undefined);
  if (json) printJson(found.map(({ address, owner, verp, to }) => ({ address, owner, verp, members: to })));
  else for (const { address } of found) show(accounts, address, false);
  return 0;
};

const change =
  (which: "add" | "remove"): Run =>
  async ({ directory, args, json }) => {
    const { address } = accountAddress(args[0]);
    const members = rest(args).map(targetAddress);
    using accounts = openAccounts(directory);
    groupOf(accounts, address);
    unless(accounts.lists.retarget(address, which === "add" ? members : [], which === "add" ? [] : members));
    return show(accounts, address, json);
  };

export const addMembers = change("add");
export const deleteMembers = change("remove");

export const members: Run = async ({ directory, args, json }) => {
  const { address } = accountAddress(args[0]);
  using accounts = openAccounts(directory);
  const { to } = groupOf(accounts, address);
  if (json) printJson(to);
  else for (const member of to) print(member);
  return 0;
};
