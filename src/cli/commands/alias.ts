// kenro alias add, del, list: addresses that stand for others.

import { openAccounts } from "../account.ts";
import { accountAddress, onlyDomain, rest, targetAddress, unless } from "../addresses.ts";
import { print, printJson, type Run } from "../call.ts";
import { Refusal } from "../exit.ts";

export const add: Run = async ({ directory, args, json }) => {
  const address = accountAddress(args[0]);
  const to = rest(args).map(targetAddress);
  using accounts = openAccounts(directory);
  const { lists } = accounts;
  const before = lists.find(address.address);
  if (before?.owner !== undefined)
    throw new Refusal(
      `${address.address} is a group; add to it with: kenro group member add ${address.address}`,
    );
  unless(
    before
      ? lists.retarget(address.address, to, [])
      : lists.add(address, { to, owner: undefined, verp: false }, Date.now()),
  );
  const now = lists.find(address.address)?.to ?? [];
  if (json) printJson({ address: address.address, to: now });
  else print(`${address.address} goes to ${now.join(", ")}`);
  return 0;
};

export const del: Run = async ({ directory, args, json }) => {
  const { address } = accountAddress(args[0]);
  const gone = rest(args).map(targetAddress);
  using accounts = openAccounts(directory);
  const { lists } = accounts;
  const before = lists.find(address);
  if (!before || before.owner !== undefined)
    throw new Refusal(`There is no alias ${address}; see: kenro alias list`);
  if (gone.length === 0) lists.delete(address);
  else unless(lists.retarget(address, [], gone));
  const to = lists.find(address)?.to ?? [];
  if (json) printJson({ address, to });
  else print(to.length === 0 ? `Deleted ${address}` : `${address} goes to ${to.join(", ")}`);
  return 0;
};

export const list: Run = async ({ directory, args, json }) => {
  const domain = onlyDomain(args[0]);
  using accounts = openAccounts(directory);
  const found = accounts.lists.all(domain).filter(({ owner }) => owner === undefined);
  if (json) printJson(found.map(({ address, to }) => ({ address, to })));
  else for (const { address, to } of found) print(`${address}  ${to.join(", ")}`);
  return 0;
};
