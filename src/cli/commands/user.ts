// kenro user add, passwd, del, list: accounts.

import { parseAccount, parseDomain } from "#store/accounts/address.ts";
import { hashPassword } from "#store/accounts/credentials.ts";
import { openAccounts } from "../account.ts";
import { type Call, print, printJson, type Run } from "../call.ts";
import { Refusal, usage } from "../exit.ts";
import { newPassword } from "../password.ts";

function accountOf({ args }: Call) {
  const parsed = parseAccount(args[0] ?? "");
  if (!parsed.ok) throw usage(`Cannot use this address: ${parsed.error}`);
  return parsed.value;
}

const fromStdin = ({ options }: Call): boolean => options["passwordStdin"] === true;

export const add: Run = async (call) => {
  const account = accountOf(call);
  const { address, domain } = account;
  using accounts = openAccounts(call.directory);
  if (!accounts.isLocal(domain)) throw foreign(domain);
  if (accounts.accounts(domain).some((each) => each.address === address)) throw existing(address);
  const { password, made } = await newPassword(fromStdin(call));
  const done = accounts.addAccount(account, await hashPassword(password), Date.now());
  if (done === "elsewhere") throw foreign(domain);
  if (done === "exists") throw existing(address);
  if (call.json) printJson({ address, ...(made ? { password } : {}) });
  else print(made ? `Added ${address} with the password ${password}` : `Added ${address}`);
  return 0;
};

export const passwd: Run = async (call) => {
  const { address } = accountOf(call);
  using accounts = openAccounts(call.directory);
  if (accounts.login(address) === undefined) throw missing(address);
  const { password, made } = await newPassword(fromStdin(call));
  if (!accounts.setPassword(address, await hashPassword(password))) throw missing(address);
  if (call.json) printJson({ address, ...(made ? { password } : {}) });
  else print(made ? `The password of ${address} is now ${password}` : `Changed the password of ${address}`);
  return 0;
};

export const del: Run = async (call) => {
  const { address } = accountOf(call);
  using accounts = openAccounts(call.directory);
  const maildir = accounts.login(address)?.maildir;
  if (!accounts.deleteAccount(address)) throw missing(address);
  if (call.json) printJson({ address, maildir });
  else
    print(
      `Deleted ${address}; its mail stays in ${maildir}, and a new account of this name would find it there`,
    );
  return 0;
};

export const list: Run = async ({ directory, args: [only], json }) => {
  const domain = only === undefined ? undefined : parseDomain(only);
  if (domain && !domain.ok) throw usage(`Cannot list this domain: ${domain.error}`);
  using accounts = openAccounts(directory);
  if (domain && !accounts.isLocal(domain.value)) throw foreign(domain.value);
  const found = accounts.accounts(domain?.value);
  if (json) printJson(found.map(({ address, maildir, created }) => ({ address, maildir, created })));
  else for (const { address } of found) print(address);
  return 0;
};

const foreign = (domain: string): Refusal =>
  new Refusal(`"${domain}" is not one of our domains; add it with: kenro domain add ${domain}`);

const existing = (address: string): Refusal =>
  new Refusal(
    `There is an account ${address} already; change its password with: kenro user passwd ${address}`,
  );

const missing = (address: string): Refusal =>
  new Refusal(`There is no account ${address}; see: kenro user list`);
