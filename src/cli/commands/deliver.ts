// kenro deliver --dry-run: what would become of mail for an address, as `qmail-local -n` says it.

import { sliceFor } from "#config/cut.ts";
import { loadConfig } from "#config/load.ts";
import type { Config } from "#config/schema.ts";
import { SystemDomains } from "#store/accounts/systemdomains.ts";
import { findOwner, type Stop } from "#store/dotqmail/home.ts";
import { type Shown, showDelivery, showInstructions } from "#store/dotqmail/show.ts";
import { Users } from "#store/dotqmail/users.ts";
import { realDisk } from "#sys/disk.ts";
import type { SystemUser } from "#wire/dotqmail/assign.ts";
import { newSender, type Owner } from "#wire/dotqmail/environment.ts";
import { type Instruction, parseInstructions } from "#wire/dotqmail/instructions.ts";
import { openAccounts } from "../account.ts";
import { type Call, complain, print, type Run } from "../call.ts";
import { enter } from "../directory.ts";
import type { ExitCode } from "../exit.ts";
import { Refusal, usage } from "../exit.ts";

export const deliver: Run = async (call) => {
  const [address = ""] = call.args;
  if (call.options["dryRun"] !== true) throw usage("Give --dry-run: mail itself is sent with kenro sendmail");
  enter(call.directory);
  const loaded = loadConfig(".");
  if (!loaded.ok) throw new Refusal(loaded.error.join("\n"));
  const system = await systemTarget(loaded.value, address);
  // as root, this process is auth's user behind this line, or that of the user
  return system ? show(call, loaded.value, system) : showAccount(call, address);
};

interface SystemTarget {
  readonly local: string;
  readonly host: string;
  readonly user: SystemUser | undefined;
}

/** Whose it is among the users of the machine; undefined: it is in no domain of theirs. */
async function systemTarget(config: Config, address: string): Promise<SystemTarget | undefined> {
  const found = new SystemDomains(sliceFor("auth", config).systemDomains).addressOf(address);
  if (!found) return undefined;
  const { assign, passwd, alias } = config.system_users;
  const users = new Users({ disk: realDisk, assign, passwd, alias });
  return { ...found, user: await users.find(found.local) };
}

function show({ options }: Call, config: Config, { local, host, user }: SystemTarget): ExitCode {
  if (!user) return end({ kind: "failed", report: "Sorry, no mailbox here by that name. (#5.1.1)" });
  become(user);
  const target = { ...user, local, host };
  const shown = showDelivery(target, config.system_users.default_delivery);
  if (shown.warning !== "") complain(shown.warning);
  const code = printed(shown);
  if (code !== 0) return code;
  const sender = options["sender"];
  if (typeof sender === "string") {
    const owner = findOwner(target);
    if (!owner.ok) return end(owner.error);
    print(`sender ${newSender(sender, target, owner.value satisfies Owner)}`);
  }
  return 0;
}

/** Homes are looked into with their owners' rights. */
function become({ user, uid, gid }: SystemUser): void {
  const own = process.getuid?.();
  if (own === uid) return;
  if (uid === 0) throw new Refusal("Not allowed to perform deliveries as root.", 111);
  if (own !== 0) throw new Refusal(`This address belongs to "${user}": run this as that user or as root`);
  process.setgroups?.([]);
  process.setgid?.(gid);
  process.setuid?.(uid);
}

function showAccount(call: Call, address: string): ExitCode {
  using accounts = openAccounts(call.directory);
  const found = accounts.find(address);
  if (found.kind === "list") return printed(showInstructions(forwardsTo(found.to)));
  if (found.kind !== "account")
    return end({ kind: "failed", report: "Sorry, no mailbox here by that name. (#5.1.1)" });
  const text = found.instructions?.text ?? "";
  const keeps = found.account.keep || found.account.forwards.length === 0;
  if (text === "") {
    const kept = keeps ? [{ kind: "maildir", path: `${found.maildir}/` } as const] : [];
    return printed(showInstructions([...kept, ...forwardsTo(found.account.forwards)]));
  }
  const parsed = parseInstructions(Buffer.from(text), false);
  return parsed.ok
    ? printed(showInstructions(parsed.value))
    : end({ kind: "deferred", report: parsed.error });
}

const forwardsTo = (addresses: readonly string[]): readonly Instruction[] =>
  addresses.map((address) => ({ kind: "forward", address }));

function printed({ lines, stop }: Omit<Shown, "warning">): ExitCode {
  for (const line of lines) print(line);
  return stop ? end(stop) : 0;
}

/** As qmail-local ends, but that "no" is 1. */
function end({ kind, report }: Stop): ExitCode {
  complain(report);
  return kind === "failed" ? 1 : 111;
}
