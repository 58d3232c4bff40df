// kenro user add, set, passwd, del, list: accounts.

import { hashPassword } from "#store/accounts/credentials.ts";
import type { AccountSettings } from "#store/accounts/directory.ts";
import { openAccounts } from "../account.ts";
import {
  accountAddress,
  countOf,
  onlyDomain,
  sizeOf,
  targetAddress,
  unless,
  worded,
  yesOrNo,
} from "../addresses.ts";
import { type Call, print, printJson, type Run } from "../call.ts";
import { Refusal, usage } from "../exit.ts";
import { newPassword } from "../password.ts";
import { formatSize } from "../text.ts";

const accountOf = ({ args }: Call) => accountAddress(args[0]);

const fromStdin = ({ options }: Call): boolean => options["passwordStdin"] === true;

const limitWords = { none: 0, domain: null };

/** What the options change; what is not named stays. */
function changesOf({ options }: Call): Partial<AccountSettings> {
  const { suspend, resume, forward } = options;
  if (suspend && resume) throw usage("Cannot suspend and resume at once");
  const to = (forward as readonly string[] | undefined)?.filter((each) => each !== "none").map(targetAddress);
  const given = {
    quota: worded<number | null>(options["quota"], limitWords, sizeOf),
    messages: worded<number | null>(options["messages"], limitWords, countOf),
    suspended: suspend || resume ? suspend === true : undefined,
    forwards: to,
    keep: yesOrNo(options["keep"], "--keep"),
  };
  const named = Object.entries(given).filter(([, value]) => value !== undefined);
  return Object.fromEntries(named.map(([name, value]) => [name, value ?? undefined]));
}

export const add: Run = async (call) => {
  const account = accountOf(call);
  const changes = changesOf(call);
  const { address, domain } = account;
  using accounts = openAccounts(call.directory);
  if (!accounts.isLocal(domain)) throw foreign(domain);
  if (accounts.accounts(domain).some((each) => each.address === address)) throw existing(address);
  const { password, made } = await newPassword(fromStdin(call));
  const hash = await hashPassword(password);
  const problem = accounts.together(
    () => {
      const done = accounts.addAccount(account, hash, Date.now());
      if (done !== "added") return whyNot[done](address);
      return Object.keys(changes).length === 0 ? undefined : accounts.setAccount(address, changes);
    },
    (wrong) => wrong === undefined,
  );
  unless(problem);
  if (call.json) printJson({ address, ...(made ? { password } : {}) });
  else print(made ? `Added ${address} with the password ${password}` : `Added ${address}`);
  return 0;
};

const domainOf = (address: string) => address.slice(address.lastIndexOf("@") + 1);

const whyNot: Readonly<Record<"exists" | "elsewhere" | "full", (address: string) => string>> = {
  exists: (address) => `${address} is there already, as an alias, a group or an extension`,
  elsewhere: (address) =>
    `"${domainOf(address)}" is another name for one of our domains; add the account there`,
  full: (address) =>
    `"${domainOf(address)}" has as many accounts as it may; see: kenro domain set --max-accounts`,
};

export const set: Run = async (call) => {
  const { address } = accountOf(call);
  const changes = changesOf(call);
  using accounts = openAccounts(call.directory);
  unless(accounts.setAccount(address, changes));
  const now = accounts.settingsOf(address);
  if (!now) throw missing(address);
  if (call.json) printJson({ address, ...now });
  else print(`${address}${notes(now)}`);
  return 0;
};

/** What is not as with every other account. */
function notes({ suspended, quota, messages, forwards, keep }: AccountSettings): string {
  const limit = (value: number | undefined, format: (value: number) => string) =>
    value === undefined ? "" : value === 0 ? "unlimited" : format(value);
  const parts = [
    suspended ? "suspended" : "",
    limit(quota, formatSize),
    limit(messages, (count) => `${count} messages`),
    forwards.length > 0 ? `${keep ? "a copy goes" : "goes"} to ${forwards.join(", ")}` : "",
  ].filter((part) => part !== "");
  return parts.length === 0 ? "" : `  ${parts.join("; ")}`;
}

export const passwd: Run = async (call) => {
  const { address } = accountOf(call);
  using accounts = openAccounts(call.directory);
  if (!accounts.settingsOf(address)) throw missing(address);
  const { password, made } = await newPassword(fromStdin(call));
  if (!accounts.setPassword(address, await hashPassword(password))) throw missing(address);
  if (call.json) printJson({ address, ...(made ? { password } : {}) });
  else print(made ? `The password of ${address} is now ${password}` : `Changed the password of ${address}`);
  return 0;
};

export const del: Run = async (call) => {
  const { address } = accountOf(call);
  using accounts = openAccounts(call.directory);
  const maildir = accounts.accounts().find((each) => each.address === address)?.maildir;
  if (!accounts.deleteAccount(address)) throw missing(address);
  if (call.json) printJson({ address, maildir });
  else
    print(
      `Deleted ${address}; its mail stays in ${maildir}, and a new account of this name would find it there`,
    );
  return 0;
};

export const list: Run = async ({ directory, args: [only], json }) => {
  const domain = onlyDomain(only);
  using accounts = openAccounts(directory);
  if (domain !== undefined && !accounts.isLocal(domain)) throw foreign(domain);
  const found = accounts.accounts(domain).map(({ address, maildir, created }) => ({
    address,
    maildir,
    created,
    settings: accounts.settingsOf(address),
  }));
  if (json) printJson(found.map(({ settings, ...account }) => ({ ...account, ...settings })));
  else for (const { address, settings } of found) print(`${address}${settings ? notes(settings) : ""}`);
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
