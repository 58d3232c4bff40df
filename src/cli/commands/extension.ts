// kenro user ext add, del, list: extension addresses (ann-shop@) with a password or a mailbox of their own.

import { parseExtension } from "#store/accounts/address.ts";
import { hashPassword } from "#store/accounts/credentials.ts";
import { openAccounts } from "../account.ts";
import { accountAddress, unless } from "../addresses.ts";
import { type Call, print, printJson, type Run } from "../call.ts";
import { Refusal, usage } from "../exit.ts";
import { newPassword } from "../password.ts";

function extensionOf({ args }: Call) {
  const { address, local, domain } = accountAddress(args[0]);
  const ext = parseExtension(args[1] ?? "");
  if (!ext.ok) throw usage(`Cannot use this extension: ${ext.error}`);
  return { address, ext: ext.value, full: `${local}-${ext.value}@${domain}` };
}

export const add: Run = async (call) => {
  const { address, ext, full } = extensionOf(call);
  const { mailbox, password: wanted, passwordStdin } = call.options;
  if (!mailbox && !wanted && !passwordStdin) throw usage("Give --mailbox, --password or --password-stdin");
  using accounts = openAccounts(call.directory);
  if (!accounts.settingsOf(address)) throw missing(address);
  const given = wanted || passwordStdin ? await newPassword(passwordStdin === true) : undefined;
  const before = accounts.extensions(address).find((each) => each.ext === ext);
  const password = given ? await hashPassword(given.password) : before?.password;
  const own = mailbox === true || before?.mailbox === true;
  unless(accounts.setExtension(address, { ext, mailbox: own, password }));
  const shown = given?.made ? { password: given.password } : {};
  if (call.json) printJson({ address: full, mailbox: own, ...shown });
  else print(given?.made ? `${full} has the password ${given.password}` : `Added ${full}`);
  return 0;
};

export const del: Run = async (call) => {
  const { address, ext, full } = extensionOf(call);
  using accounts = openAccounts(call.directory);
  if (!accounts.deleteExtension(address, ext))
    throw new Refusal(`${full} has nothing of its own; see: kenro user ext list ${address}`);
  if (call.json) printJson({ address: full });
  else print(`${full} is ${address} again`);
  return 0;
};

export const list: Run = async ({ directory, args, json }) => {
  const { address, local, domain } = accountAddress(args[0]);
  using accounts = openAccounts(directory);
  if (!accounts.settingsOf(address)) throw missing(address);
  const found = accounts.extensions(address).map(({ ext, mailbox, password }) => ({
    address: `${local}-${ext}@${domain}`,
    ext,
    mailbox,
    password: password !== undefined,
  }));
  if (json) printJson(found);
  else
    for (const { address: full, mailbox, password } of found) {
      const has = [mailbox ? "a mailbox" : "", password ? "a password" : ""].filter((part) => part !== "");
      print(`${full}  ${has.join(" and ")} of its own`);
    }
  return 0;
};

const missing = (address: string): Refusal =>
  new Refusal(`There is no account ${address}; see: kenro user list`);
